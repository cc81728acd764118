"""What an installation keeps for its own account alone: folders, the database, the secret key."""

import os
import secrets
from pathlib import Path


def private_folder(folder: Path, *, mend: bool = True) -> Path:
    """Return the folder, made for its owner alone; one that others may open is closed to them.

    With `mend=False` a folder that exists is left as it is: it may be anybody's.
    """
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mend = True  # mkdir's mode is narrowed by the umask
    if mend:
        _close(folder, 0o700)
    return folder


def private_file(path: Path, *, mend: bool = True) -> Path:
    """Return the path of a file that its owner alone may read, made where there is none.

    SQLite gives the files beside its database the same mode.
    """
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        if mend:
            _close(path, 0o600)
    except OSError:
        pass  # no room or no right: whoever opens it says so in its own words
    return path


def _close(path: Path, mode: int) -> None:
    """Take from everybody but the owner what the mode does not give; only the owner can."""
    if path.stat().st_mode & 0o777 & ~mode:
        try:
            path.chmod(mode)
        except PermissionError:
            pass  # of another account, which gave us what we may


def secret_key(folder: Path) -> str:
    """Return the key kept in `folder`, making it at the first call; readable by its owner only."""
    path = folder / "secret_key"
    if not path.exists():
        private_folder(folder)
        # Written aside and linked into place: of two processes that start together one wins, and
        # both read the same whole key.
        draft = folder / f".secret_key.{os.getpid()}"
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(50))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
