"""Contacts, companies, deals and tickets, and the pipelines they move through."""

from records.models.base import Record
from records.models.crm import Company, Contact, Deal, Ticket
from records.models.pipelines import Pipeline, Stage, StageRule
from records.models.properties import Property, PropertyGrant

__all__ = [
    "Company",
    "Contact",
    "Deal",
    "Pipeline",
    "Property",
    "PropertyGrant",
    "Record",
    "Stage",
    "StageRule",
    "Ticket",
]
