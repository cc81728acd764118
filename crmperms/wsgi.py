"""The door for web servers: `gunicorn crmperms.wsgi`."""

import os
from collections.abc import Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application
from django.utils.http import parse_header_parameters

from crmperms.bodies import Application, Environ, whole_bodies


def only_utf8(answer: Application) -> Application:
    """Return an application that answers 400 for a body in any encoding but UTF-8.

    Django takes what the Content-Type names while it makes the request, before any of its own error
    handling: a codec that makes no text (`hex`, `zlib`) would end in the server's bare 500.
    """

    def door(environ: Environ, start_response: Any) -> Iterable[bytes]:
        try:
            _, parameters = parse_header_parameters(environ.get("CONTENT_TYPE", ""))
        except ValueError:
            parameters = {"charset": "unreadable"}
        if parameters.get("charset", "utf-8").lower() in ("utf-8", "utf8"):
            return answer(environ, start_response)
        body = b"Send text in UTF-8.\n"
        headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
        ]
        start_response("400 Bad Request", headers)
        return [body]

    return door


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crmperms.settings")
application = only_utf8(whole_bodies(get_wsgi_application()))
