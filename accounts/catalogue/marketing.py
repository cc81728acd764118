"""The tab Marketing: stored for tools outside, but lists and files, which this product has."""

from __future__ import annotations

from accounts.catalogue.types import Kind, Option, Tool, ladder

TAB, GENERAL, ASSETS = "Marketing", "General", "Marketing tools"
PARENT = "marketing.access"

VIEW_EDIT = ladder(("view", "View", "See them."), ("edit", "Edit", "Make and change them."))
VIEW_EDIT_PUBLISH = ladder(
    ("view", "View", "See them."),
    ("edit", "Edit", "Write and change them, without putting anything live."),
    ("publish", "Publish", "Put new ones and changes live."),
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
        "Forms",
        "Create, change and delete forms.",
        id="M-1",
        options=(
            Option(
                "support_form",
                "Support forms on a channel",
                "Make a support form and attach it to a channel.",
                requires=(("account.access",),),
                derived=True,
            ),
            Option(
                "follow_up_email",
                "Follow-up e-mails",
                "Change the e-mail that follows a form.",
                requires=(("marketing.email:publish",),),
                derived=True,
            ),
        ),
    ),
    Tool(
        "marketing.lists",
        TAB,
        GENERAL,
        "Lists",
        "Use lists (segments). What a list shows is still only what the person may view.",
        id="M-2",
        kind=Kind.BOXES,
        options=VIEW_EDIT,
        asked_later=True,
    ),
    Tool(
        "marketing.files",
        TAB,
        GENERAL,
        "Files",
        "Add, change and delete files, such as attachments of records. Viewing files needs no "
        "permission.",
        id="M-3",
        asked_later=True,
    ),
    Tool(
        PARENT,
        TAB,
        ASSETS,
        "Marketing access",
        "Opens the marketing tools and the view of a contact’s website activity. The permissions "
        "below have an effect only with it.",
        id="M-4",
    ),
    Tool(
        "marketing.cta",
        TAB,
        ASSETS,
        "CTA",
        "Calls to action on pages and in e-mails.",
        id="M-5",
        kind=Kind.BOXES,
        options=(
            *VIEW_EDIT_PUBLISH,
            Option(
                "create",
                "Create",
                "Make new calls to action, which is part of Edit.",
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
        "Social publishing",
        "Publish to social media. Everybody but None sees all shared accounts in monitoring, "
        "publishing and reports.",
        id="M-6",
        kind=Kind.CHOICE,
        options=ladder(
            ("draft", "Draft only", "Write for own and shared accounts, publish nothing."),
            ("own", "Only their accounts", "Publish to the accounts that they connected."),
            ("all", "All accounts", "Publish to every account, and change social settings."),
        ),
        parent=PARENT,
    ),
    Tool(
        "marketing.blog",
        TAB,
        ASSETS,
        "Blog",
        "Blog posts.",
        id="M-7",
        kind=Kind.BOXES,
        options=VIEW_EDIT_PUBLISH,
        parent=PARENT,
    ),
    Tool(
        "marketing.landing_pages",
        TAB,
        ASSETS,
        "Landing pages",
        "Pages for campaigns.",
        id="M-8",
        kind=Kind.BOXES,
        options=VIEW_EDIT_PUBLISH,
        parent=PARENT,
    ),
    Tool(
        "marketing.website_pages",
        TAB,
        ASSETS,
        "Website pages",
        "Pages of the website.",
        id="M-9",
        kind=Kind.BOXES,
        options=VIEW_EDIT_PUBLISH,
        parent=PARENT,
    ),
    Tool(
        "marketing.hubdb",
        TAB,
        ASSETS,
        "HubDB",
        "Tables that pages are filled from. Creating, cloning, deleting and publishing whole "
        "tables needs HubDB table settings on the tab Account.",
        id="M-10",
        kind=Kind.BOXES,
        options=ladder(
            ("view", "View", "Read rows and export them."),
            ("edit", "Edit", "Add and clone rows, import and export."),
            ("publish", "Publish", "Add, change and delete rows that are live."),
        ),
        parent=PARENT,
    ),
    Tool(
        "marketing.url_redirects",
        TAB,
        ASSETS,
        "URL redirects",
        "Where old addresses lead.",
        id="M-11",
        kind=Kind.BOXES,
        options=VIEW_EDIT,
        parent=PARENT,
    ),
    Tool(
        "marketing.design_tools",
        TAB,
        ASSETS,
        "Design tools",
        "Change templates and modules, use the marketplace of templates, save e-mails as "
        "templates. Recommended together with Global content settings and Website settings.",
        id="M-12",
        parent=PARENT,
    ),
    Tool(
        "marketing.email",
        TAB,
        ASSETS,
        "Marketing email",
        "E-mails to many people at once. One-to-one e-mails go by Communicate instead.",
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
        "SEO tool",
        "Advice on being found by search engines.",
        id="M-14",
        kind=Kind.DERIVED,
        options=(
            Option("view", "View", "Read the advice.", requires=(SEES_CONTENT,), derived=True),
            Option(
                "edit",
                "Edit",
                "Follow the advice.",
                requires=((*EDITS_CONTENT, "account.website_settings"),),
                derived=True,
            ),
        ),
    ),
    Tool(
        "marketing.knowledge_base",
        TAB,
        ASSETS,
        "Knowledge base",
        "Articles for customers.",
        kind=Kind.DERIVED,
        options=VIEW_EDIT_PUBLISH,
    ),
    Tool(
        "marketing.customer_portal",
        TAB,
        ASSETS,
        "Customer portal",
        "Where customers follow their tickets.",
        kind=Kind.DERIVED,
        options=VIEW_EDIT_PUBLISH,
    ),
)
