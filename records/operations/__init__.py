"""Every change to a record, a pipeline or a property: one function, one transaction, one event.

Access is asked inside the UPDATE itself, of the stored row, and asked again of the result.
"""

from records.operations.pipelines import (
    change_pipeline,
    create_pipeline,
    delete_pipeline,
    delete_stage,
    pipeline_as_it_stands,
    save_stages,
)
from records.operations.properties import (
    NOTHING_SAID,
    check_restriction,
    field_as_it_stands,
    flag_property,
    forget_property,
    restrict_property,
    restrictable,
)
from records.operations.records import change, create, delete, reveal
from records.operations.stage_rules import NO_RULE, rule_as_it_stands, rule_data, set_stage_rule
from records.reasons import (
    chosen_editors,
    owner_sentence,
    refusal,
    seen_because,
    sentences_of,
    stage_sentence,
)
from records.refusals import (
    HandOver,
    Invalid,
    InvalidChoice,
    NotAllowed,
    NotFound,
    RecordError,
    Stale,
)

__all__ = [
    "NOTHING_SAID",
    "NO_RULE",
    "HandOver",
    "Invalid",
    "InvalidChoice",
    "NotAllowed",
    "NotFound",
    "RecordError",
    "Stale",
    "change",
    "change_pipeline",
    "check_restriction",
    "chosen_editors",
    "create",
    "create_pipeline",
    "delete",
    "delete_pipeline",
    "delete_stage",
    "field_as_it_stands",
    "flag_property",
    "forget_property",
    "owner_sentence",
    "pipeline_as_it_stands",
    "refusal",
    "restrict_property",
    "restrictable",
    "reveal",
    "rule_as_it_stands",
    "rule_data",
    "save_stages",
    "seen_because",
    "sentences_of",
    "set_stage_rule",
    "stage_sentence",
]
