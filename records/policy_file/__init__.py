"""What records adds to a policy file: stage rules, rules of fields, and the limit for screens."""

from records.policy_file.fields import FIELDS
from records.policy_file.screen_limit import SCREEN_LIMIT
from records.policy_file.stage_rules import STAGE_RULES

SECTIONS = (STAGE_RULES, FIELDS, SCREEN_LIMIT)
