"""The middle floor as a Django app; it tells the ground floor which kinds of record exist."""

from django.apps import AppConfig


class RecordsConfig(AppConfig):
    """Contacts, companies, deals, tickets and pipelines."""

    name = "records"
    verbose_name = "CRM"

    def ready(self) -> None:
        from accounts.audit import shown_data
        from accounts.catalogue import ObjectKind, register
        from records.history import without_hidden_fields
        from records.models import Company, Contact, Deal, Ticket

        register(ObjectKind("contact", Contact, "Contact", "Contacts"))
        register(ObjectKind("company", Company, "Company", "Companies"))
        register(ObjectKind("deal", Deal, "Deal", "Deals"))
        register(ObjectKind("ticket", Ticket, "Ticket", "Tickets"))
        shown_data.append(without_hidden_fields)
