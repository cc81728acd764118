"""Save pressed twice makes one record, and what was filled in anew is not taken for it."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, SentForm
from records import operations
from records.models import Contact
from tests.support.company import TinyCompany
from tests.support.laid_down import tiny_company

ADD = reverse("admin:records_contact_add")


@pytest.fixture
def client(c: TinyCompany) -> Client:
    client = Client()
    client.force_login(c.people["rita"])
    return client


def _form(client: Client, **values: object) -> dict[str, object]:
    found = re.search(r'name="form_token" value="([^"]+)"', client.get(ADD).text)
    assert found is not None
    return {
        "form_token": found[1],
        "last_name": "Twice",
        "first_name": "",
        "email": "",
        "phone": "",
        "job_title": "",
        "city": "",
        "lifecycle": "lead",
        "company": "",
        "owner": "",
        "co_owner": "",
        "_save": "Save",
        **values,
    }


@pytest.mark.django_db
def test_the_same_form_sent_twice_makes_one_record(c: TinyCompany, client: Client) -> None:
    form = _form(client, owner=c.rita.pk)
    first = client.post(ADD, {**form, "_continue": "1"})
    second = client.post(ADD, {**form, "_continue": "1"})
    contact = Contact.objects.get(last_name="Twice")
    assert first.status_code == second.status_code == 302
    assert first["Location"] == second["Location"]
    assert f"/{contact.pk}/" in first["Location"]
    assert AuditEvent.objects.filter(action="contact.create").count() == 1


@pytest.mark.django_db
def test_two_forms_with_the_same_words_make_two_records(c: TinyCompany, client: Client) -> None:
    for _ in range(2):
        client.post(ADD, _form(client, owner=c.rita.pk))
    assert Contact.objects.filter(last_name="Twice").count() == 2


@pytest.mark.django_db
def test_a_form_filled_in_anew_after_it_was_saved_says_so(c: TinyCompany, client: Client) -> None:
    form = _form(client, owner=c.rita.pk)
    client.post(ADD, form)
    answer = client.post(ADD, {**form, "last_name": "Other"})
    assert "This form was saved already." in answer.text
    assert list(Contact.objects.filter(last_name__in=["Twice", "Other"]).values_list()) == list(
        Contact.objects.filter(last_name="Twice").values_list()
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    "later",
    [{"city": "Canary"}, {"last_name": "Canary", "phone": "555"}, {"owner": "rob"}, {}],
    ids=["hidden field", "fields", "out of reach", "nothing"],
)
def test_what_a_form_sent_again_is_answered_tells_nothing_of_the_record_as_it_is_now(
    c: TinyCompany, client: Client, later: dict[str, str]
) -> None:
    operations.restrict_property(actor=c.sam, object="contact", name="city", access="super_admins")
    form = _form(client, owner=c.rita.pk)
    assert client.post(ADD, form).status_code == 302
    made = Contact.objects.get(last_name="Twice")
    values = {name: c.people.get(value, value) for name, value in later.items()}
    if values:
        operations.change(made, actor=c.sam, values=values, version=made.version)
    now = {name: getattr(value, "pk", value) for name, value in values.items()}
    guesses = [now, {"city": "Guess"}, {"last_name": "Guess"}, {"owner": c.nora.pk}, {"phone": "1"}]
    answers = [client.post(ADD, {**form, **guess}) for guess in guesses]
    # The hidden field is not on the form: what is posted for it changes nothing of what was sent.
    seen = [{name: value for name, value in guess.items() if name != "city"} for guess in guesses]
    assert [each.status_code for each in answers] == [200 if sent else 302 for sent in seen]
    assert all(
        ("This form was saved already." in each.text) is bool(sent)
        for each, sent in zip(answers, seen, strict=True)
    )
    assert client.post(ADD, form).status_code == 302
    assert Contact.objects.filter(pk__gte=made.pk).count() == 1


@pytest.mark.django_db
def test_what_a_form_made_before_its_digest_was_kept_is_not_taken_for_the_same(
    c: TinyCompany, client: Client
) -> None:
    form = _form(client, owner=c.rita.pk)
    assert client.post(ADD, form).status_code == 302
    SentForm.objects.update(wish_sha256="")
    assert "This form was saved already." in client.post(ADD, form).text


@pytest.mark.django_db
def test_a_refused_form_may_be_sent_again(c: TinyCompany, client: Client) -> None:
    form = _form(client, owner=c.rita.pk)
    refused = client.post(ADD, {**form, "last_name": ""})
    assert str(form["form_token"]) in refused.text
    assert client.post(ADD, form).status_code == 302
    assert Contact.objects.filter(last_name="Twice").count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("token", ["", "x", "1" * 5000, "\x00"])
def test_without_a_token_of_ours_it_is_saved_as_before(
    c: TinyCompany, client: Client, token: str
) -> None:
    assert client.post(ADD, _form(client, owner=c.rita.pk, form_token=token)).status_code == 302
    assert Contact.objects.filter(last_name="Twice").count() == 1
    assert not SentForm.objects.exists()


@pytest.mark.django_db
def test_somebody_elses_token_is_none_of_mine(c: TinyCompany) -> None:
    token = uuid4()
    made = [
        operations.create(Contact(last_name="Twice", owner=user), actor=user, token=token)
        for user in (c.rita, c.nora)
    ]
    assert made[0].pk != made[1].pk


@pytest.fixture
def committed(transactional_db: None) -> Iterator[TinyCompany]:
    yield tiny_company()


def test_two_presses_at_the_same_moment_make_one_record(committed: TinyCompany) -> None:
    rita, token = committed.people["rita"], uuid4()

    def press(_: int) -> int:
        try:
            record = Contact(last_name="Twice", owner=rita)
            return operations.create(record, actor=rita, token=token).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(press, range(8)))
    assert len(set(made)) == 1
    assert Contact.objects.filter(last_name="Twice").count() == 1
    assert AuditEvent.objects.filter(action="contact.create").count() == 1
