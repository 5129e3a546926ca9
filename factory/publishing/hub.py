"""The Hub: what is there, what would change, and a resumable upload.

The card is merged with the README that is there and validated by the Hub before anything is sent. Files go up first, one by one; then a single commit makes them all visible at once, and a tag names the version. A
broken upload leaves the repository as it was, and what has arrived is not sent again.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import factory
from factory.atomic import atomic_path, file_digest
from factory.errors import UsageError
from factory.progress import watch
from factory.publishing.croissant import SCHEMAS
from factory.publishing.readme import merge_readme
from factory.publishing.refusals import XET, understood
from factory.publishing.release import README, LocalFile, Release


class Action(StrEnum):
    """What a publication does to one file."""

    ADD = "add"
    UPDATE = "update"
    KEEP = "keep"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of the repository: size, and SHA-256 (large files) or git blob id (small ones)."""

    bytes: int
    sha256: str | None
    blob_id: str


@dataclass(frozen=True, slots=True)
class Repository:
    """The repository as it is now. `head` is None when it does not exist; `tags` is name to commit."""

    head: str | None
    files: dict[str, RemoteFile]
    tags: dict[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """One file of a publication."""

    path: str
    action: Action
    bytes: int


@dataclass(frozen=True, slots=True)
class Published:
    """What an upload did. `commit` is the version's commit; `sent` counts files that were new or changed."""

    commit: str
    tag: str
    sent: int
    bytes: int
    said: tuple[str, ...] = ()
    """On the README that was there, and the Hub's warnings on the card."""


def open_hub(endpoint: str | None = None) -> Any:
    """The Hub's client; the token is the client's own business (`HF_TOKEN` or `hf auth login`).

    Raises:
        UsageError: `huggingface_hub` is not installed.
    """
    # The client reports every transfer to its maker unless told not to, and reads this when it is imported.
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.utils import disable_progress_bars
    except ImportError:
        raise UsageError("publishing needs huggingface_hub", do="pip install 'cot-factory[hub]'") from None
    disable_progress_bars()
    # `prepare` says what the Hub finds odd about a card.
    warnings.filterwarnings("ignore", message="Warnings while validating metadata in README.md")
    return HfApi(endpoint=endpoint, library_name="cot-factory", library_version=factory.__version__)


def read_repository(api: Any, repo: str) -> Repository:
    """Files and tags of a repository; an empty one when it does not exist.

    Raises:
        UsageError: no right to read it.
        Stopped: the Hub cannot be reached.
    """
    from huggingface_hub.errors import RepositoryNotFoundError
    from huggingface_hub.hf_api import RepoFile

    with understood(repo):
        try:
            head = api.repo_info(repo, repo_type="dataset", revision="main").sha
        except RepositoryNotFoundError:
            return Repository(None, {}, {})
        tree = api.list_repo_tree(repo, repo_type="dataset", recursive=True, revision=head)
        files = {
            item.path: RemoteFile(item.size, item.lfs.sha256 if item.lfs else None, item.blob_id)
            for item in tree
            if isinstance(item, RepoFile)
        }
        refs = api.list_repo_refs(repo, repo_type="dataset")
        return Repository(head, files, {tag.name: tag.target_commit for tag in refs.tags})


def compare(local: dict[str, LocalFile], remote: dict[str, RemoteFile]) -> list[Change]:
    """What a publication would change: every local file, and shards of ours that are no longer there."""
    changes = []
    for name, file in sorted(local.items()):
        there = remote.get(name)
        action = Action.ADD if there is None else Action.KEEP if _same(file, there) else Action.UPDATE
        changes.append(Change(name, action, file.bytes))
    ours = tuple(f"{config}/" for config in SCHEMAS)
    for name, there in sorted(remote.items()):
        if name not in local and name.startswith(ours) and name.endswith(".parquet"):
            changes.append(Change(name, Action.DELETE, there.bytes))
    return changes


def prepare(api: Any, repo: str, release: Release, there: Repository) -> tuple[Release, tuple[str, ...]]:
    """The release with its card merged into the README that is there, and validated by the Hub.

    Returns:
        The release as the repository will be, and what is worth saying.

    Raises:
        UsageError: the README that is there cannot be merged.
        FactoryError: the Hub refuses the card.
        Stopped: the Hub cannot be reached.
    """
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    headers = build_hf_headers(
        token=api.token, library_name="cot-factory", library_version=factory.__version__
    )
    card = release.files[README].path
    theirs = None
    with understood(repo):
        if README in there.files:
            url = f"{api.endpoint}/datasets/{repo}/resolve/{there.head}/{README}"
            response = get_session().get(url, headers=headers, follow_redirects=True)
            hf_raise_for_status(response)
            theirs = _text_of(response.content, repo)
        merged = merge_readme(release.card, theirs)
        response = get_session().post(
            f"{api.endpoint}/api/validate-yaml",
            json={"content": merged.text, "repoType": "dataset"},
            headers=headers,
        )
        hf_raise_for_status(response)
        found = tuple(f"the Hub on the card: {each.get('message')}" for each in response.json()["warnings"])
    with atomic_path(card) as temporary:
        temporary.write_text(merged.text, "utf-8")
    file = LocalFile(card, card.stat().st_size, file_digest(card))
    return replace(release, files=release.files | {README: file}), (*merged.said, *found)


def _ask_why(api: Any, repo: str, error: ConnectionError) -> None:
    """Xet's client names the status of a refusal and drops the reason; the Hub says it to whoever asks for a write token."""
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    if XET.search(str(error)):
        url = f"{api.endpoint}/api/datasets/{repo}/xet-write-token/main"
        hf_raise_for_status(get_session().get(url, headers=build_hf_headers(token=api.token)))


def _text_of(content: bytes, repo: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{README} of {repo} is not UTF-8", do="correct it there") from error


def version_tag(release: Release) -> str:
    """The tag of a release when the user names none: the same data have the same tag."""
    return f"data-{release.digest[:12]}"


def publish(
    api: Any, repo: str, release: Release, *, private: bool = False, tag: str | None = None, note: str = ""
) -> Published:
    """Send what has changed, commit once, tag the version. Doing it twice does nothing the second time.

    Args:
        api: the client of `open_hub`.
        repo: `OWNER/NAME`.
        release: what the repository is to be.
        private: make the repository private when it is created here.
        tag: name of the version; `version_tag(release)` when None.
        note: what the commit says below its first line.

    Raises:
        UsageError: no right to write, the tag names other data, or the README that is there cannot be merged.
        FactoryError: the Hub refuses the card or the files.
        Stopped: the connection broke, or somebody else wrote to the repository meanwhile; start again.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    name = tag or version_tag(release)
    before = read_repository(api, repo)
    release, said = prepare(api, repo, release, before)
    with understood(repo):
        api.create_repo(repo, repo_type="dataset", private=private or None, exist_ok=True)
    if before.head is None:
        before = read_repository(api, repo)
    changes = compare(release.files, before.files)
    todo = [change for change in changes if change.action in (Action.ADD, Action.UPDATE)]
    gone = [change for change in changes if change.action is Action.DELETE]
    data = [change for change in [*todo, *gone] if change.path.endswith(".parquet")]
    if name in before.tags and (data or (tag and (todo or gone))):
        raise UsageError(
            f"{repo} already has a version {name} with other files", do="choose another --revision"
        )
    with understood(repo):
        additions = [CommitOperationAdd(change.path, release.files[change.path].path) for change in todo]
        with watch("upload", sum(change.bytes for change in todo) / 2**20, "MB") as task:
            for addition, change in zip(additions, todo, strict=True):
                try:
                    api.preupload_lfs_files(repo, [addition], repo_type="dataset", free_memory=False)
                except ConnectionError as error:
                    _ask_why(api, repo, error)
                    raise
                task.advance(change.bytes / 2**20, file=change.path)
        commit = before.head or ""
        if todo or gone:
            commit = api.create_commit(
                repo,
                [*additions, *(CommitOperationDelete(change.path) for change in gone)],
                commit_message=f"Publish {name}",
                commit_description=note,
                repo_type="dataset",
                parent_commit=before.head,
            ).oid
        if name not in before.tags:
            api.create_tag(repo, tag=name, revision=commit, repo_type="dataset")
    return Published(commit, name, len(todo), sum(change.bytes for change in todo), said)


def _same(local: LocalFile, remote: RemoteFile) -> bool:
    if remote.sha256 is not None:
        return remote.sha256 == local.sha256
    return remote.bytes == local.bytes and remote.blob_id == _blob_id(local.path)


def _blob_id(path: Path) -> str:
    """Git's id of a small file: SHA-1 over a header and the content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
