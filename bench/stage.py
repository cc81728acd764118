"""The product as an installation runs it, for benches over HTTP: gunicorn, and a proxy before it.

Everything lies in a folder of its own and listens on this machine alone. The proxies run the files
of docs/proxy/, with other names, ports and a certificate that nobody else trusts.
"""

from __future__ import annotations

import http.client
import io
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

BASE = Path(__file__).resolve().parent.parent
NAME = "crm.example.com"
PASSWORD = "explore-the-demo"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@dataclass
class Site:
    """Where the product is reached, by TLS where a proxy stands before it."""

    port: int
    secure: bool

    def connect(self, *, receive_buffer: int = 0) -> socket.socket:
        """Open a connection; with a small receive buffer, what is not read stays over there."""
        line = socket.socket()
        if receive_buffer:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        line.settimeout(30)
        line.connect(("127.0.0.1", self.port))
        if not self.secure:
            return line
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        return trusting.wrap_socket(line, server_hostname=NAME)


@dataclass
class Browser:
    """One person's browser, without a window: cookies, forms, one connection that is kept."""

    site: Site
    cookies: dict[str, str] = field(default_factory=dict)
    line: http.client.HTTPConnection | None = None

    def head(self, method: str, path: str, length: int | None = None) -> bytes:
        """Return the head of a request as this browser sends it."""
        jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        lines = [f"{method} {path} HTTP/1.1", f"Host: {NAME}", f"Cookie: {jar}"]
        if length is not None:
            lines += [f"Content-Length: {length}", f"X-CSRFToken: {self.token}"]
            lines += ["Content-Type: application/x-www-form-urlencoded"]
            lines += [f"Referer: https://{NAME}{path}"]
        return "\r\n".join([*lines, "", ""]).encode()

    @property
    def token(self) -> str:
        return self.cookies.get("csrftoken", "")

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, str]:
        """Send a request and return status and page; redirects are not followed.

        A kept connection that the server closed in between is opened anew, as browsers do.
        """
        if self.line is not None and form is None:
            try:
                return self._ask(method, path, form)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                pass
        return self._ask(method, path, form)

    def _ask(self, method: str, path: str, form: dict[str, str] | None) -> tuple[int, str]:
        if self.line is None:
            self.line = http.client.HTTPConnection(NAME, self.site.port, timeout=60)
            self.line.sock = self.site.connect()
        headers = {
            "Host": NAME,
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
        }
        body = None
        if form is not None:
            body = urlencode({**form, "csrfmiddlewaretoken": self.token})
            headers |= {
                "Content-Type": "application/x-www-form-urlencoded",
                "Referer": f"https://{NAME}{path}",
            }
        try:
            self.line.request(method, path, body, headers)
            answer = self.line.getresponse()
            page = answer.read().decode(errors="replace")
        except Exception:
            self.line.close()
            self.line = None
            raise
        for header in answer.headers.get_all("Set-Cookie") or []:
            for name, morsel in SimpleCookie(header).items():
                self.cookies[name] = morsel.value
        if answer.will_close:
            self.line.close()
            self.line = None
        return answer.status, page

    def log_in(self, email: str) -> None:
        self.ask("GET", "/admin/login/")
        form = {"username": email, "password": PASSWORD, "next": "/admin/"}
        status, _ = self.ask("POST", "/admin/login/", form)
        if status != 302:
            raise SystemExit(f"{email} could not log in: {status}")


def settings_of(folder: Path, secure: bool) -> dict[str, str]:
    """Return the environment as README documents it, for a site in this folder."""
    given = {
        "DATABASE_URL": os.environ.get("DATABASE_URL") or f"sqlite:///{folder / 'crm.sqlite3'}",
        "EXPORT_ROOT": str(folder / "exports"),
        "SECRET_KEY": "for-the-bench-only",
        "ALLOWED_HOSTS": NAME,
        "PROXIES": "1" if secure else "0",
        "SECURE": "1" if secure else "0",
    }
    if secure:
        given["CSRF_TRUSTED_ORIGINS"] = f"https://{NAME}"
    return given


def prepare(folder: Path, secure: bool, company: str = "seed_demo", **sizes: int) -> None:
    """Set this process up on an empty database with a company: the demo's, or that of a command."""
    os.environ.update(settings_of(folder, secure), DJANGO_SETTINGS_MODULE="crmperms.settings")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    told = io.StringIO()
    call_command(company, verbosity=0, stdout=told, stderr=told, **sizes)


@contextmanager
def running(command: list[str], port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until it listens, and end it afterwards."""
    with log.open("wb") as written:
        process = subprocess.Popen(command, cwd=BASE, stdout=written, stderr=written)
    try:
        deadline = time.monotonic() + 60
        while socket.socket().connect_ex(("127.0.0.1", port)):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{command[0]} did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


@contextmanager
def staged(folder: Path, proxy: str) -> Iterator[Site]:
    """Run gunicorn as README says, and the proxy of this name before it: nginx, caddy or none."""
    inner, outer = free_port(), free_port()
    server = [sys.executable, "-m", "gunicorn", "crmperms.wsgi", "--log-level", "critical"]
    server += ["--bind", f"127.0.0.1:{inner}"]
    with running(server, inner, folder / "gunicorn.log"):
        if proxy == "none":
            yield Site(inner, secure=False)
            return
        command = {"nginx": nginx, "caddy": caddy}[proxy](folder, inner, outer)
        with running(command, outer, folder / f"{proxy}.log"):
            yield Site(outer, secure=True)


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for the site's name that is its own authority."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", f"/CN={NAME}", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    return key, cert


def nginx(folder: Path, inner: int, outer: int) -> list[str]:
    """Lay docs/proxy/nginx.conf out in the folder; return the command that runs it."""
    key, cert = certificate(folder)
    site = (BASE / "docs" / "proxy" / "nginx.conf").read_text()
    site = site.replace("127.0.0.1:8000", f"127.0.0.1:{inner}")
    site = site.replace("listen 443", f"listen 127.0.0.1:{outer}")
    site = site.replace("listen 80;", f"listen 127.0.0.1:{free_port()};")
    site = re.sub(r"ssl_certificate .*;", f"ssl_certificate {cert};", site)
    site = re.sub(r"ssl_certificate_key .*;", f"ssl_certificate_key {key};", site)
    places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    temporary = " ".join(f"{place}_temp_path {folder / place};" for place in places)
    owner = "user root;" if os.geteuid() == 0 else ""
    whole = folder / "nginx.conf"
    whole.write_text(
        f"{owner} daemon off; pid {folder / 'nginx.pid'}; error_log {folder / 'error.log'};\n"
        f"events {{ worker_connections 768; }}\nhttp {{ access_log off; {temporary}\n{site}\n}}\n"
    )
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    return [program, "-p", str(folder), "-c", str(whole)]


def caddy(folder: Path, inner: int, outer: int) -> list[str]:
    """Lay docs/proxy/Caddyfile out in the folder; return the command that runs it."""
    key, cert = certificate(folder)
    site = (BASE / "docs" / "proxy" / "Caddyfile").read_text()
    site = site.replace("127.0.0.1:8000", f"127.0.0.1:{inner}")
    site = site.replace(
        f"{NAME} {{", f"https://{NAME}:{outer} {{\n\tbind 127.0.0.1\n\ttls {cert} {key}"
    )
    site = site.replace(
        "{\n\tservers", "{\n\tadmin off\n\tauto_https disable_redirects\n\tservers", 1
    )
    whole = folder / "Caddyfile"
    whole.write_text(site)
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(whole)]


def caddy_check(folder: Path, inner: int, outer: int) -> list[str]:
    """Lay docs/proxy/Caddyfile out in the folder; return the command that only reads it."""
    name, _, *rest = caddy(folder, inner, outer)
    return [name, "validate", *rest]


def nginx_check(folder: Path, inner: int, outer: int) -> list[str]:
    """Lay docs/proxy/nginx.conf out in the folder; return the command that only reads it."""
    return [*nginx(folder, inner, outer), "-t"]
