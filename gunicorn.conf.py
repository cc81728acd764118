"""How the product is served: gunicorn reads this by itself where it is started in this folder.

A download lasts as long as its reader takes, so it holds a thread and not a process: the default,
one process that serves one request at a time, would be ended after 30 seconds of it, and would
answer nobody meanwhile. WEB_CONCURRENCY sets the number of processes, GUNICORN_CMD_ARGS the rest.
"""

import os

worker_class = "crmperms.webserver.PatientWorker"  # gthread, which slow clients cannot stop
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
# Of which downloads get 10 (exports/operations/running.py) and large forms 2 (crmperms/bodies.py).
threads = 16
# Of a process that does not answer for itself any more; a thread may take as long as it needs.
timeout = 60
# Longer than the proxies of docs/proxy: none sends a form into a connection that was just closed.
keepalive = 75
# How long downloads may go on when the server is told to end or to begin anew.
graceful_timeout = 60
# An address names each of up to 500 people who were ticked in a list; proxies read as much.
limit_request_line = 8190
# A socket to steer it by, which nobody asked for.
control_socket_disable = True
