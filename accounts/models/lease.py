"""Work that exactly one worker does at a time, though workers may be killed."""

from django.db import models


class Lease(models.Model):
    """A row that is its own job: claimed for a while, counted, and taken over when time is up.

    `attempt` is the fencing number: every write of a worker says `WHERE attempt = mine`, so one
    that was frozen and wakes up late changes nothing.
    """

    worker = models.CharField(max_length=100, blank=True, editable=False)
    attempt = models.PositiveIntegerField(default=0, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True
