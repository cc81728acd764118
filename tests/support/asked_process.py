"""What a process of `exports_process` does with records: it decides, and changes many."""

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


def change_many(stage_id: str, keys: str, email: str, hold: str = "") -> None:
    """Move these deals on as from a page opened now, and say how many were, or why not.

    With `hold`, stop in the transaction, when its first event is written, until let go once more.
    """
    from accounts import audit
    from accounts.models import User
    from records import kinds
    from records.models import Deal, Stage
    from records.operations import many
    from records.refusals import RecordError

    record, held = audit.record, []

    def holding(action: str, **more: Any) -> Any:
        event = record(action, **more)
        if not held:
            held.append(action)
            say("written")
            wait_for_go()
        return event

    if hold == "hold":
        audit.record = holding
    actor, kind = User.objects.get(email=email), kinds.of(Deal)
    chosen = [int(key) for key in keys.split(",")]
    shown = many.many_as_they_stand(many.seen(kind, chosen, actor))
    stage = Stage.objects.get(pk=stage_id)
    say("ready")
    wait_for_go()
    try:
        found = many.change_many(
            kind, chosen, actor=actor, name="stage", value=stage, as_opened=shown
        )
    except RecordError as refusal:
        say(f"{type(refusal).__name__}: {refusal}")
    else:
        say(f"done: {len(found.changed)}")
