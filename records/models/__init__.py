"""Contacts, companies, deals and tickets, and the pipelines they move through."""

from records.models.base import Record
from records.models.crm import Company, Contact, Deal, Ticket
from records.models.history import ReachChange
from records.models.pipelines import Pipeline, Stage, StageRule
from records.models.properties import FlagLifted, Property, PropertyGrant
from records.models.screens import ScreenCount, ScreenLimit
from records.models.shares import (
    SHARES,
    CompanyTeamShare,
    CompanyUserShare,
    ContactTeamShare,
    ContactUserShare,
    DealTeamShare,
    DealUserShare,
    Level,
    Share,
    TeamShare,
    TicketTeamShare,
    TicketUserShare,
    UserShare,
)

__all__ = [
    "SHARES",
    "Company",
    "CompanyTeamShare",
    "CompanyUserShare",
    "Contact",
    "ContactTeamShare",
    "ContactUserShare",
    "Deal",
    "DealTeamShare",
    "DealUserShare",
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
    "StageRule",
    "TeamShare",
    "Ticket",
    "TicketTeamShare",
    "TicketUserShare",
    "UserShare",
]
