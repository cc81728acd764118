"""Downloads that are under way now; what is kept of them for good is `Download`."""

from django.conf import settings
from django.db import models

from exports.models.requests import Download


class RunningDownload(models.Model):
    """A download under way, held like a lease by whichever process sends the file (B7).

    A row and not a number in memory, since there are several processes. The sender says now and
    then that it goes on; what a killed process leaves behind counts no more when `until` is over.
    """

    download = models.OneToOneField(Download, models.CASCADE, related_name="+", primary_key=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False
    )
    until = models.DateTimeField()

    class Meta:
        indexes = (models.Index(fields=["user", "until"], name="running_of_user"),)

    def __str__(self) -> str:
        return f"{self.download_id} of {self.user_id}"
