"""What a process of `exports_process` does that decides about a request for access."""

from typing import Any

from tests.support.exports_process import say, wait_for_go


def decide_access(step: str, request_id: str, email: str, hold: str = "") -> None:
    """Grant, decline or withdraw, and say how it went.

    With `hold`, stop in the transaction, when its event is written, until let go once more.
    """
    from accounts import audit
    from accounts.models import User
    from records.models import AccessRequest
    from records.operations import access_requests
    from records.refusals import RecordError

    record = audit.record
    own = ("grant_access", "decline_access", "withdraw")

    def held(action: str, **more: Any) -> Any:
        event = record(action, **more)
        if action.rpartition(".")[2] in own:
            say("written")
            wait_for_go()
        return event

    if hold == "hold":
        audit.record = held
    actor, request = User.objects.get(email=email), AccessRequest.objects.get(pk=request_id)
    more: dict[str, dict[str, Any]] = {"grant": {"until": None}, "decline": {"note": "No."}}
    say("ready")
    wait_for_go()
    try:
        getattr(access_requests, step)(request, actor=actor, **more.get(step, {}))
    except RecordError as refusal:
        say(f"{type(refusal).__name__}: {refusal}")
    else:
        say("done")
