"""`factory publish`: check the release of a run and send it to the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from factory.cli.flags import Flag
from factory.cli.params import run_folder
from factory.cli.show import say, show


def command(
    repo: Annotated[str, Flag("Repository on the Hub: OWNER/NAME.", words=True, metavar="REPO")],
    run: Annotated[Path | None, Flag("Folder of the run; the newest below runs/ by default.")] = None,
    private: Annotated[bool, Flag("Create the repository private.")] = False,
    revision: Annotated[
        str | None, Flag("Name (tag) of this version; a digest of the data by default.")
    ] = None,
    vouch: Annotated[
        list[str], Flag("Source that you may publish whatever licence it states; repeat for more.")
    ] = [],  # noqa: B006
    dry_run: Annotated[bool, Flag("Build, check and compare; send nothing.")] = False,
) -> None:
    """Publish a run's training sets; refuses unlicensed rows, benchmark problems and secrets.

    factory publish me/my-dataset --run runs/quickstart --dry-run
    """
    from factory.publishing.gate import check_files, check_run
    from factory.publishing.hub import (
        Repository,
        compare,
        open_hub,
        prepare,
        publish,
        read_repository,
        version_tag,
    )
    from factory.publishing.refusals import Offline, Unreachable
    from factory.publishing.release import build_release

    run = run_folder(run)
    api = open_hub()
    check_run(run)
    release = build_release(run, repo=repo)
    looked = check_files(release.paths, vouched=vouch)
    say(
        f"{release.folder}: {len(release.files)} files; {looked['texts']:,} questions checked against "
        f"{looked['benchmark_problems']:,} benchmark problems"
    )
    if dry_run:
        try:
            before = read_repository(api, repo)
            release, said = prepare(api, repo, release, before)
            there = f"{repo} exists" if before.head else f"{repo} does not exist yet"
        except (Offline, Unreachable) as error:
            before, said = Repository(None, {}, {}), ()
            there = f"offline: not compared with {repo} ({str(error).split(' - ')[0]}), and its card not validated"
        _print(compare(release.files, before.files))
        say(*said, f"{there}; version {revision or version_tag(release)}; nothing was sent")
        return
    note = f"Published on the publisher's word: {', '.join(sorted(vouch))}" if vouch else ""
    done = publish(api, repo, release, private=private, tag=revision, note=note)
    what = f"{done.sent} files, {done.bytes / 2**20:,.1f} MB sent" if done.sent else "nothing had changed"
    say(*done.said, f"{repo}: {what}; version {done.tag}, commit {done.commit[:12]}")


def _print(changes: list) -> None:
    rows = [(change.action.value, change.path, f"{change.bytes:,}") for change in changes]
    show("what would change", ("", "file", ">bytes"), rows)
