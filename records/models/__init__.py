"""Records of every kind, the pipelines they move through, and what is said of their fields."""

from records.models import crm
from records.models.base import Record
from records.models.crm import *  # noqa: F403  # every kind, which that module alone names
from records.models.exceptions import StageException
from records.models.history import ReachChange
from records.models.pipelines import Pipeline, Stage, StageRule
from records.models.properties import FlagLifted, Property, PropertyGrant
from records.models.requests import AccessRequest
from records.models.screens import ScreenCount, ScreenLimit
from records.models.shares import (
    SHARES,
    Level,
    Share,
    TeamShare,
    UserShare,
)

__all__ = [
    "SHARES",
    "AccessRequest",
    "FlagLifted",
    "Level",
    "Pipeline",
    "Property",
    "PropertyGrant",
    "ReachChange",
    "Record",
    "ScreenCount",
    "ScreenLimit",
    "Share",
    "Stage",
    "StageException",
    "StageRule",
    "TeamShare",
    "UserShare",
]
__all__ += crm.__all__
