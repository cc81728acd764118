"""The tab Marketing: stored for tools outside, but lists and files, which this product has."""

from __future__ import annotations

from django.utils.translation import gettext_lazy, pgettext_lazy

from accounts.catalogue.types import Kind, Option, Tool, ladder

TAB, GENERAL, ASSETS = "Marketing", gettext_lazy("General"), gettext_lazy("Marketing tools")
PARENT = "marketing.access"

VIEW_EDIT = ladder(
    ("view", pgettext_lazy("action", "View"), gettext_lazy("See them.")),
    ("edit", gettext_lazy("Edit"), gettext_lazy("Make and change them.")),
)
VIEW_EDIT_PUBLISH = ladder(
    ("view", pgettext_lazy("action", "View"), gettext_lazy("See them.")),
    (
        "edit",
        gettext_lazy("Edit"),
        gettext_lazy("Write and change them, without putting anything live."),
    ),
    ("publish", gettext_lazy("Publish"), gettext_lazy("Put new ones and changes live.")),
)
PAGES = ("marketing.blog", "marketing.landing_pages", "marketing.website_pages")
EDITS_CONTENT = tuple(f"{key}:edit" for key in ("marketing.email", *PAGES))
"""Edit comes with Publish, so that these four also stand for “Edit or Publish on one of them”."""
SEES_CONTENT = tuple(f"{key}:view" for key in ("marketing.email", *PAGES))

MARKETING = (
    Tool(
        "marketing.forms",
        TAB,
        GENERAL,
        gettext_lazy("Forms"),
        gettext_lazy("Create, change and delete forms."),
        id="M-1",
        options=(
            Option(
                "support_form",
                gettext_lazy("Support forms on a channel"),
                gettext_lazy("Make a support form and attach it to a channel."),
                requires=(("account.access",),),
                derived=True,
            ),
            Option(
                "follow_up_email",
                gettext_lazy("Follow-up e-mails"),
                gettext_lazy("Change the e-mail that follows a form."),
                requires=(("marketing.email:publish",),),
                derived=True,
            ),
        ),
    ),
    Tool(
        "marketing.lists",
        TAB,
        GENERAL,
        gettext_lazy("Lists"),
        gettext_lazy(
            "Use lists (segments). What a list shows is still only what the person may view."
        ),
        id="M-2",
        kind=Kind.BOXES,
        options=VIEW_EDIT,
        asked_later=True,
    ),
    Tool(
        "marketing.files",
        TAB,
        GENERAL,
        gettext_lazy("Files"),
        gettext_lazy(
            "Add, change and delete files, such as attachments of records. Viewing files needs no "
            "permission."
        ),
        id="M-3",
        asked_later=True,
    ),
    Tool(
        PARENT,
        TAB,
        ASSETS,
        gettext_lazy("Marketing access"),
        gettext_lazy(
            "Opens the marketing tools and the view of a contact’s website activity. The "
            "permissions "
            "below have an effect only with it."
        ),
        id="M-4",
    ),
    Tool(
        "marketing.cta",
        TAB,
        ASSETS,
        gettext_lazy("CTA"),
        gettext_lazy("Calls to action on pages and in e-mails."),
        id="M-5",
        kind=Kind.BOXES,
        options=(
            *VIEW_EDIT_PUBLISH,
            Option(
                "create",
                gettext_lazy("Create"),
                gettext_lazy("Make new calls to action, which is part of Edit."),
                requires=(("marketing.cta:edit",), EDITS_CONTENT),
                derived=True,
            ),
        ),
        parent=PARENT,
    ),
    Tool(
        "marketing.social",
        TAB,
        ASSETS,
        gettext_lazy("Social publishing"),
        gettext_lazy(
            "Publish to social media. Everybody but None sees all shared accounts in monitoring, "
            "publishing and reports."
        ),
        id="M-6",
        kind=Kind.CHOICE,
        options=ladder(
            (
                "draft",
                gettext_lazy("Draft only"),
                gettext_lazy("Write for own and shared accounts, publish nothing."),
            ),
            (
                "own",
                gettext_lazy("Only their accounts"),
                gettext_lazy("Publish to the accounts that they connected."),
            ),
            (
                "all",
                gettext_lazy("All accounts"),
                gettext_lazy("Publish to every account, and change social settings."),
            ),
        ),
        parent=PARENT,
    ),
    Tool(
        "marketing.blog",
        TAB,
        ASSETS,
        gettext_lazy("Blog"),
        gettext_lazy("Blog posts."),
        id="M-7",
        kind=Kind.BOXES,
        options=VIEW_EDIT_PUBLISH,
        parent=PARENT,
    ),
    Tool(
        "marketing.landing_pages",
        TAB,
        ASSETS,
        gettext_lazy("Landing pages"),
        gettext_lazy("Pages for campaigns."),
        id="M-8",
        kind=Kind.BOXES,
        options=VIEW_EDIT_PUBLISH,
        parent=PARENT,
    ),
    Tool(
        "marketing.website_pages",
        TAB,
        ASSETS,
        gettext_lazy("Website pages"),
        gettext_lazy("Pages of the website."),
        id="M-9",
        kind=Kind.BOXES,
        options=VIEW_EDIT_PUBLISH,
        parent=PARENT,
    ),
    Tool(
        "marketing.hubdb",
        TAB,
        ASSETS,
        gettext_lazy("HubDB"),
        gettext_lazy(
            "Tables that pages are filled from. Creating, cloning, deleting and publishing whole "
            "tables needs HubDB table settings on the tab Account."
        ),
        id="M-10",
        kind=Kind.BOXES,
        options=ladder(
            ("view", pgettext_lazy("action", "View"), gettext_lazy("Read rows and export them.")),
            ("edit", gettext_lazy("Edit"), gettext_lazy("Add and clone rows, import and export.")),
            (
                "publish",
                gettext_lazy("Publish"),
                gettext_lazy("Add, change and delete rows that are live."),
            ),
        ),
        parent=PARENT,
    ),
    Tool(
        "marketing.url_redirects",
        TAB,
        ASSETS,
        gettext_lazy("URL redirects"),
        gettext_lazy("Where old addresses lead."),
        id="M-11",
        kind=Kind.BOXES,
        options=VIEW_EDIT,
        parent=PARENT,
    ),
    Tool(
        "marketing.design_tools",
        TAB,
        ASSETS,
        gettext_lazy("Design tools"),
        gettext_lazy(
            "Change templates and modules, use the marketplace of templates, save e-mails as "
            "templates. Recommended together with Global content settings and Website settings."
        ),
        id="M-12",
        parent=PARENT,
    ),
    Tool(
        "marketing.email",
        TAB,
        ASSETS,
        gettext_lazy("Marketing email"),
        gettext_lazy(
            "E-mails to many people at once. One-to-one e-mails go by Communicate instead."
        ),
        id="M-13",
        kind=Kind.BOXES,
        options=VIEW_EDIT_PUBLISH,
        # "Marketing access unlocks the e-mail tool".
        parent=PARENT,
    ),
    Tool(
        "marketing.seo",
        TAB,
        ASSETS,
        gettext_lazy("SEO tool"),
        gettext_lazy("Advice on being found by search engines."),
        id="M-14",
        kind=Kind.DERIVED,
        options=(
            Option(
                "view",
                pgettext_lazy("action", "View"),
                gettext_lazy("Read the advice."),
                requires=(SEES_CONTENT,),
                derived=True,
            ),
            Option(
                "edit",
                gettext_lazy("Edit"),
                gettext_lazy("Follow the advice."),
                requires=((*EDITS_CONTENT, "account.website_settings"),),
                derived=True,
            ),
        ),
    ),
    Tool(
        "marketing.knowledge_base",
        TAB,
        ASSETS,
        gettext_lazy("Knowledge base"),
        gettext_lazy("Articles for customers."),
        kind=Kind.DERIVED,
        options=VIEW_EDIT_PUBLISH,
    ),
    Tool(
        "marketing.customer_portal",
        TAB,
        ASSETS,
        gettext_lazy("Customer portal"),
        gettext_lazy("Where customers follow their tickets."),
        kind=Kind.DERIVED,
        options=VIEW_EDIT_PUBLISH,
    ),
)
