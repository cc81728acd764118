"""What is kept of exports: the account's settings, requests with their manifests, downloads."""

from exports.models.folder import ExportFolder, LeftFile, Trouble
from exports.models.policy import (
    Delegation,
    ExportPolicy,
    ExportProfile,
    GateChange,
    LargeExportAlert,
)
from exports.models.requests import (
    Download,
    ExportRecord,
    ExportRelated,
    ExportRequest,
    FrozenRequest,
)
from exports.models.running import RunningDownload

__all__ = [
    "Delegation",
    "Download",
    "ExportFolder",
    "ExportPolicy",
    "ExportProfile",
    "ExportRecord",
    "ExportRelated",
    "ExportRequest",
    "FrozenRequest",
    "GateChange",
    "LargeExportAlert",
    "LeftFile",
    "RunningDownload",
    "Trouble",
]
