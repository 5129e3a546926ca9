"""Publishing to a Hub on loopback through the real client: once, again, broken off, beside others."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("huggingface_hub")

import hub_server
from hub_server import HubServer

from factory.errors import FactoryError, Stopped, UsageError
from factory.publishing.hub import Action, compare, open_hub, publish, read_repository, version_tag
from factory.publishing.release import Release, build_release
from factory.run.layout import RunLayout
from factory.steps import export
from schemas import COMPLETION
from tests.support.marks import mostly_long

TOKEN = "hf_" + "w" * 34
REPO = "me/farm"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> HubServer:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    with HubServer(TOKEN) as server:
        yield server


@pytest.fixture
def release(run: Path) -> Release:
    return build_release(run, repo=REPO)


def send(hub: HubServer, release: Release, **options):
    return publish(open_hub(hub.url), REPO, release, **options)


def test_every_file_arrives_byte_for_byte_and_is_tagged(hub: HubServer, release: Release) -> None:
    done = send(hub, release)
    there = hub.files(REPO, done.tag)
    for name, path in release.paths.items():
        assert there[name] == path.read_bytes(), name  # README.md, too: it is marked where it lies
    assert set(there) == {*release.paths, ".gitattributes"}
    assert done.sent == len(release.files)
    assert hub.repos[REPO].tags == {version_tag(release): done.commit}
    assert len(hub.repos[REPO].commits) == 2


def test_publishing_again_sends_nothing(hub: HubServer, release: Release) -> None:
    first = send(hub, release)
    bytes_before, commits = hub.put_bytes, hub.count(f"POST /api/datasets/{REPO}/commit")
    second = send(hub, release)
    assert (second.sent, second.bytes) == (0, 0)
    assert (second.commit, second.tag) == (first.commit, first.tag)
    assert hub.put_bytes == bytes_before
    assert hub.count(f"POST /api/datasets/{REPO}/commit") == commits


def test_only_changed_shards_go_up_and_stale_ones_go(hub: HubServer, run: Path, make) -> None:
    big = make.step_folder(run / "selected" / "big", make.completions(400, words=300), COMPLETION)
    export.run(big, RunLayout(run).dataset("sft"), COMPLETION)
    send(hub, build_release(run, repo=REPO))
    hub.repos[REPO].commits[-1][1]["sft/train-00000-of-00009.parquet"] = (b"old shard", True)
    hub.repos[REPO].commits[-1][1]["mine/notes.parquet"] = (b"somebody's own", True)
    small = make.step_folder(run / "selected" / "small", make.completions(3), COMPLETION)
    export.run(small, RunLayout(run).dataset("sft"), COMPLETION)
    release = build_release(run, repo=REPO)
    changes = {
        c.path: c.action for c in compare(release.files, read_repository(open_hub(hub.url), REPO).files)
    }
    assert changes["sft/train-00000-of-00001.parquet"] is Action.UPDATE
    assert changes["midtrain/train-00000-of-00001.parquet"] is Action.KEEP
    assert changes["sft/train-00000-of-00009.parquet"] is Action.DELETE
    puts = hub.count("PUT")
    send(hub, release)
    assert hub.count("PUT") == puts + 1
    there = hub.files(REPO)
    assert "sft/train-00000-of-00009.parquet" not in there
    assert there["mine/notes.parquet"] == b"somebody's own"
    assert (
        there["sft/train-00000-of-00001.parquet"]
        == release.paths["sft/train-00000-of-00001.parquet"].read_bytes()
    )


def test_a_broken_upload_shows_nothing_and_is_resumed(hub: HubServer, release: Release) -> None:
    shards = [file.bytes for name, file in release.files.items() if name.endswith(".parquet")]
    hub.break_puts_after = sum(shards[:3])
    with pytest.raises(Stopped, match=r"broke off.*run the same command again"):
        send(hub, release)
    assert set(hub.files(REPO)) == {".gitattributes"}
    assert hub.repos[REPO].tags == {}
    arrived = hub.put_bytes
    assert arrived == sum(shards[:3])
    hub.break_puts_after = None
    done = send(hub, release)
    assert hub.put_bytes == sum(shards)
    assert set(hub.files(REPO, done.tag)) == {*release.paths, ".gitattributes"}


def test_a_commit_that_fails_is_done_the_next_time_without_sending_again(
    hub: HubServer, release: Release
) -> None:
    hub.fail_commit = 500
    with pytest.raises(Stopped, match="500"):
        send(hub, release)
    sent = hub.put_bytes
    assert set(hub.files(REPO)) == {".gitattributes"}
    done = send(hub, release)
    assert hub.put_bytes == sent
    assert hub.files(REPO, done.tag)["README.md"] == release.paths["README.md"].read_bytes()


def test_a_tag_that_was_lost_is_set_the_next_time(hub: HubServer, release: Release) -> None:
    done = send(hub, release)
    hub.repos[REPO].tags.clear()
    again = send(hub, release)
    assert hub.repos[REPO].tags == {done.tag: done.commit}
    assert again.sent == 0


def test_somebody_elses_commit_meanwhile_is_not_overwritten(
    hub: HubServer, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    import factory.publishing.hub as module

    def read_then_race(api, repo):
        before = read_repository(api, repo)
        if before.head:
            hub.repos[REPO].commit({"theirs.txt": (b"new", False)})
        return before

    monkeypatch.setattr(module, "read_repository", read_then_race)
    with pytest.raises(Stopped, match="somebody else changed"):
        send(hub, release)
    assert hub.files(REPO) == {"theirs.txt": b"new"}


def test_large_files_go_up_in_parts(
    hub: HubServer, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_server, "PART_BYTES", 4_000)
    done = send(hub, release)
    assert hub.count("PUT") > sum(name.endswith(".parquet") for name in release.files)
    assert (
        hub.files(REPO, done.tag)["sft/train-00000-of-00001.parquet"]
        == next(path for name, path in release.paths.items() if name.startswith("sft/")).read_bytes()
    )


def test_named_version_is_kept_for_its_data(hub: HubServer, run: Path, make) -> None:
    send(hub, build_release(run, repo=REPO), tag="v1.0")
    rows = make.step_folder(run / "selected" / "other", make.completions(9), COMPLETION)
    export.run(rows, RunLayout(run).dataset("sft"), COMPLETION)
    puts = hub.count("PUT")
    with pytest.raises(UsageError, match=r"already has a version v1\.0 with other files"):
        send(hub, build_release(run, repo=REPO), tag="v1.0")
    assert hub.count("PUT") == puts
    done = send(hub, build_release(run, repo=REPO), tag="v1.1")
    assert set(hub.repos[REPO].tags) == {"v1.0", "v1.1"}
    assert hub.files(REPO, "v1.0") != hub.files(REPO, done.tag)


def test_private_repository_is_created_private(hub: HubServer, release: Release) -> None:
    send(hub, release, private=True)
    assert hub.repos[REPO].private


def test_wrong_token_is_one_clear_line(
    hub: HubServer, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_" + "x" * 34)
    with pytest.raises(
        UsageError, match=r"no right to write to me/farm \(401: Invalid credentials"
    ) as caught:
        send(hub, release)
    assert "xxxx" not in str(caught.value)


LIMIT = "Private repository storage limit reached, please upgrade your plan to increase your private storage limit."
PATTERNS = "Your storage patterns tripped our internal systems! Please contact us at website@huggingface.co"


@pytest.mark.parametrize("route", ["preupload", "batch", "put", "commit"])
@pytest.mark.parametrize("said", [LIMIT, PATTERNS])
def test_want_of_storage_is_said_in_the_hubs_words_and_is_not_resumable(
    hub: HubServer, release: Release, route: str, said: str
) -> None:
    hub.refusals[route] = (403, {"error": said})
    with pytest.raises(FactoryError, match="the Hub has no room for me/farm") as caught:
        send(hub, release)
    assert said[:60] in str(caught.value)
    assert caught.value.exit_code == 1
    assert not re.search("again|right to write", str(caught.value))


@pytest.mark.parametrize("route", ["create", "preupload", "batch", "put", "commit", "tag"])
@pytest.mark.parametrize("status", mostly_long([401, 403]))
def test_want_of_rights_is_told_from_want_of_storage(
    hub: HubServer, release: Release, route: str, status: int
) -> None:
    hub.refusals[route] = (
        status,
        {"error": "You don't have the rights to create a dataset under this namespace"},
    )
    with pytest.raises(
        UsageError, match=r"no right to write to me/farm .*rights to create a dataset.*hf auth login"
    ):
        send(hub, release)


@pytest.mark.parametrize("route", ["create", "preupload", "batch", "put", "commit", "tag"])
@pytest.mark.parametrize("status", mostly_long([400, 402, 405, 410, 413, 422, 451]))
def test_a_permanent_refusal_gives_the_hubs_reason_and_no_hope(
    hub: HubServer, release: Release, route: str, status: int
) -> None:
    hub.refusals[route] = (status, {"error": "the moon is in the wrong house"})
    with pytest.raises(
        FactoryError, match=f"refuses me/farm .{status}: the moon is in the wrong house"
    ) as caught:
        send(hub, release)
    assert not isinstance(caught.value, Stopped | UsageError)
    assert "run the same command again" not in str(caught.value)


@pytest.mark.parametrize("route", ["preupload", "batch", "put", "commit"])
@pytest.mark.parametrize("status", mostly_long([429, 500, 503]))
def test_what_passes_is_resumable(hub: HubServer, release: Release, route: str, status: int) -> None:
    said = "We had to rate limit you, you hit the quota of 1000 api requests per 5 minutes period."
    hub.refusals[route] = (status, {"error": said})
    with pytest.raises(Stopped, match="run the same command again"):
        send(hub, release)
    hub.refusals.clear()
    assert send(hub, release).sent == len(release.files)


def test_a_file_that_the_store_refuses_gives_the_reason(
    hub: HubServer, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    def batch(request, hub: HubServer, repo: str) -> None:
        objects = [
            {"oid": each["oid"], "size": each["size"], "error": {"code": 422, "message": "file is cursed"}}
            for each in hub_server.json.loads(request.body())["objects"]
        ]
        request.reply(200, {"transfer": "basic", "objects": objects})

    routes = [(m, p, batch if a is hub_server.batch else a) for m, p, a in hub_server.ROUTES]
    monkeypatch.setattr(hub_server, "ROUTES", routes)
    with pytest.raises(FactoryError, match=r"the Hub refuses me/farm .*file is cursed") as caught:
        send(hub, release)
    assert not isinstance(caught.value, Stopped)


def test_the_hub_sees_the_card_before_the_first_shard_and_before_the_repository(
    hub: HubServer, release: Release
) -> None:
    hub.card["errors"] = [{"message": '"license" must be one of [apache-2.0, ...]'}, {"message": "no size"}]
    with pytest.raises(FactoryError, match=r'refuses me/farm .400: "license" must be one of .*; no size'):
        send(hub, release)
    assert (hub.repos, hub.count("PUT"), hub.count("POST /api/repos")) == ({}, 0, 0)
    hub.card = {"errors": [], "warnings": [{"message": "empty task ids"}]}
    assert send(hub, release).said == ("the Hub on the card: empty task ids",)
    assert hub.log.index("POST /api/validate-yaml") < next(
        i for i, line in enumerate(hub.log) if "preupload" in line
    )


def test_a_readme_written_by_hand_in_the_repository_stays(hub: HubServer, run: Path) -> None:
    send(hub, build_release(run, repo=REPO))
    theirs = b"---\nlanguage: no\nlicense: cc-by-4.0\n---\n# By hand\n\nRead me first.\n"
    hub.repos[REPO].commit(hub.repos[REPO].commits[-1][1] | {"README.md": (theirs, False)})
    done = send(hub, build_release(run, repo=REPO))
    merged = hub.files(REPO)["README.md"].decode()
    assert "language: no\nlicense: cc-by-4.0\n" in merged and "# By hand\n\nRead me first.\n" in merged
    assert "config_name: sft" in merged and "<!-- end of factory card -->" in merged
    assert done.said[0] == "the README that is there was kept; the card follows it"
    again = send(hub, build_release(run, repo=REPO))
    assert (again.sent, hub.files(REPO)["README.md"].decode()) == (0, merged)


@pytest.mark.parametrize(
    "theirs, what", [(b"\xff\xfe\x00", "is not UTF-8"), (b"---\nx: [\n---\n", "not valid YAML")]
)
def test_a_readme_that_cannot_be_merged_stops_before_anything_is_sent(
    hub: HubServer, run: Path, theirs: bytes, what: str
) -> None:
    release = build_release(run, repo=REPO)
    hub.repos[REPO] = hub_server.Repo()
    hub.repos[REPO].commit({"README.md": (theirs, False)})
    with pytest.raises(UsageError, match=what):
        send(hub, release)
    assert hub.files(REPO) == {"README.md": theirs}
    assert hub.count("PUT") == 0


def test_bad_repository_name_is_a_usage_error(hub: HubServer, release: Release) -> None:
    with pytest.raises(UsageError, match="is not a repository name"):
        publish(open_hub(hub.url), "not/a/name", release)


def test_offline_mode_is_a_usage_error(
    hub: HubServer, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UsageError, match="unset HF_HUB_OFFLINE"):
        send(hub, release)


def test_nobody_there_is_stopped(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    with pytest.raises(Stopped, match="run the same command again"):
        publish(open_hub("http://127.0.0.1:9"), REPO, release)


def test_the_real_datasets_library_loads_every_set_from_the_hub(
    hub: HubServer, release: Release, tmp_path: Path
) -> None:
    pytest.importorskip("datasets")
    send(hub, release)
    code = (
        "import datasets, json, sys\n"
        f"names = datasets.get_dataset_config_names({REPO!r})\n"
        f"rows = {{n: datasets.load_dataset({REPO!r}, n, split='train').num_rows for n in names}}\n"
        f"rows['default'] = datasets.load_dataset({REPO!r}, split='train').num_rows\n"
        "print(json.dumps(rows))\n"
    )
    home = {
        "HF_HOME": str(tmp_path / "home"),
        "HF_ENDPOINT": hub.url,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_OFFLINE": "0",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | home,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = eval(done.stdout.strip().splitlines()[-1])
    counted = {}
    for name in ("midtrain", "sft", "preference", "rl", "rollouts", "dropped"):
        counted[name] = pl.read_parquet(release.folder / name / "*.parquet").height
    assert rows == counted | {"default": counted["sft"]}


@pytest.fixture
def xet(hub: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> HubServer:
    """The same Hub, to clients that have Xet switched on as it is by default."""
    pytest.importorskip("hf_xet")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", False)
    monkeypatch.setenv("HF_XET_CACHE", str(tmp_path / "xet"))
    return hub


def test_xet_carries_the_shards_and_nothing_is_reported_to_anybody(xet: HubServer, release: Release) -> None:
    done = send(xet, release)
    there = read_repository(open_hub(xet.url), REPO)
    shards = {name: file for name, file in release.files.items() if name.endswith(".parquet")}
    assert {n: there.files[n].sha256 for n in shards} == {n: f.sha256 for n, f in shards.items()}
    assert there.tags == {done.tag: done.commit}
    assert xet.count("PUT") == 0
    assert 0 < xet.xet_bytes <= sum(file.bytes for file in shards.values()) + 10_000
    assert xet.count("POST /cas/v1/shards") > 0
    assert not any("telemetry" in line for line in xet.log)
    again = send(xet, release)
    assert again.sent == 0


@pytest.mark.parametrize(
    "said, meant",
    [
        (LIMIT, "the Hub has no room for me/farm .403: Private repo"),
        ("not yours", "no right to write to .*403: not yours"),
    ],
)
def test_xet_drops_the_reason_and_the_hub_is_asked_for_it(
    xet: HubServer, release: Release, said: str, meant: str
) -> None:
    xet.refusals["xet_token"] = (403, {"error": said})
    with pytest.raises(FactoryError, match=meant) as caught:
        send(xet, release)
    assert not isinstance(caught.value, Stopped)


@pytest.mark.parametrize("route", ["xorb", "xet_shard"])
def test_a_store_that_refuses_is_not_called_resumable(xet: HubServer, release: Release, route: str) -> None:
    xet.refusals[route] = (403, {"error": "no"})
    with pytest.raises(
        FactoryError, match=r"the Hub refuses me/farm .its file store: 403 Forbidden"
    ) as caught:
        send(xet, release)
    assert not isinstance(caught.value, Stopped)


def test_a_broken_xet_upload_shows_nothing_and_a_later_one_goes_on(xet: HubServer, release: Release) -> None:
    xet.break_puts_after = 15_000
    with pytest.raises(FactoryError, match=r"the Hub refuses me/farm .its file store: 400 Bad Request"):
        send(xet, release)
    assert set(xet.files(REPO)) == {".gitattributes"}
    xet.break_puts_after = None
    done = send(xet, release)
    there = read_repository(open_hub(xet.url), REPO)
    assert set(there.files) == {*release.paths, ".gitattributes"}
    assert done.sent == len(release.files)
