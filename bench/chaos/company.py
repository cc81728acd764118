"""Who asks for the exports: the tiny company, with enough records that writing takes a while."""

from __future__ import annotations

from bench.chaos import EXPORTS

DEALS = 1500


class Company:
    """The tiny company with enough deals that writing takes a while, and its exports."""

    def __init__(self) -> None:
        from exports import policy
        from records.models import Deal
        from tests.support import company
        from tests.support.factories import DealFactory

        policy.MOST_A_DAY = 10_000
        self.c = company.found()
        first = DealFactory(owner=self.c.rita, stage=self.c.stages["open"])
        rows = []
        for number in range(DEALS):
            fields = {
                f.attname: getattr(first, f.attname)
                for f in Deal._meta.concrete_fields
                if not f.primary_key
            }
            rows.append(Deal(**fields | {"name": f"Deal {number}"}))
        Deal.objects.bulk_create(rows)

    def approved(self, count: int = EXPORTS) -> list[int]:
        """Return so many exports that somebody consented to."""
        from exports import operations
        from tests.support.exports_kit import pending

        exports = [pending(self.c.rita, self.c.sue) for _ in range(count // 2)]
        exports += [pending(self.c.mona, self.c.sue) for _ in range(count - len(exports))]
        for export in exports:
            operations.approve(export, actor=self.c.sue, version=export.version)
        return [export.pk for export in exports]
