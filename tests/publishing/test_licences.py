"""Licences by their names: every spelling that is known, and none that is not."""

import pytest

from factory.publishing.card import SIZES, size_category
from factory.publishing.licences import HUB_HAS_NOT, KNOWN, hub_licence, is_stated, refusal, spdx_licence

SPELLINGS = {
    "MIT": ("mit", "MIT License", "The MIT License", "Expat", "https://opensource.org/licenses/MIT"),
    "Apache-2.0": ("Apache 2.0", "Apache License, Version 2.0", "apache-2", "http://www.apache.org/licenses/LICENSE-2.0"),
    "CC-BY-4.0": (
        "CC BY 4.0", "cc-by-4", "Creative Commons Attribution 4.0 International", "Attribution 4.0",
        "https://creativecommons.org/licenses/by/4.0/", "https://creativecommons.org/licenses/by/4.0/legalcode",
    ),
    "CC-BY-SA-4.0": ("CC BY-SA 4.0", "Creative Commons Attribution-ShareAlike 4.0 International License"),
    "CC-BY-NC-4.0": ("http://creativecommons.org/licenses/by-nc/4.0/deed.en", "Attribution-NonCommercial 4.0"),
    "CC-BY-NC-SA-3.0": ("cc-by-nc-sa-3.0",),
    "CC0-1.0": ("CC0", "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication", "Creative Commons Zero v1.0 Universal",
                "https://creativecommons.org/publicdomain/zero/1.0/"),
    "ODC-By-1.0": ("odc-by", "ODC-BY 1.0", "Open Data Commons Attribution License v1.0"),
    "ODbL-1.0": ("ODbL", "Open Database License (ODbL) v1.0"),
    "GPL-3.0-only": ("GPLv3", "GPL-3.0", "GNU General Public License v3.0"),
    "GPL-3.0-or-later": ("GPLv3+", "GPL 3.0 or later"),
    "AGPL-3.0-only": ("AGPL-3.0", "GNU Affero General Public License v3"),
    "LGPL-2.1-only": ("LGPL 2.1", "GNU Lesser General Public License v2.1"),
    "BSD-3-Clause": ("BSD 3-Clause", "3-Clause BSD License", "New BSD License"),
    "MPL-2.0": ("Mozilla Public License 2.0",),
    "Unlicense": ("The Unlicense",),
}  # fmt: skip
NOT_KNOWN = ("", None, "my own", "CC BY", "cc-by-sa", "MIT-0", "MIT OR Apache-2.0", "MIT and CC BY 4.0", "not MIT", "BSD",
             "Apache-2.0 WITH LLVM-exception", "llama3.1", "public domain", "GPL", "CC-BY-4.1", "proprietary")  # fmt: skip


@pytest.mark.parametrize("spdx", SPELLINGS)
def test_spellings_of_one_licence_have_one_identifier(spdx):
    assert {spdx_licence(each) for each in (spdx, *SPELLINGS[spdx])} == {spdx}
    hub = hub_licence([spdx])
    assert {hub_licence([each]) for each in SPELLINGS[spdx]} == {hub} and hub != "other"
    assert hub_licence([spdx, *SPELLINGS[spdx]]) == hub


@pytest.mark.parametrize("spdx, hub, names", KNOWN)
def test_no_name_in_the_list_means_another_licence(spdx, hub, names):
    assert {spdx_licence(name) for name in (spdx, *names)} == {spdx}
    assert hub_licence([spdx]) == ("other" if hub in HUB_HAS_NOT else hub)


@pytest.mark.parametrize("licence", NOT_KNOWN)
def test_what_is_not_known_is_other(licence):
    assert (spdx_licence(licence), hub_licence([licence])) == (None, "other")


def test_two_licences_are_other_and_no_derivatives_stay_refused():
    assert hub_licence(["MIT", "CC BY 4.0"]) == hub_licence(["MIT", None]) == "other"
    assert refusal("https://creativecommons.org/licenses/by-nd/4.0/") and refusal(
        "Attribution-NoDerivatives 4.0"
    )
    assert [is_stated(each) for each in (None, "", "unknown", "n/a", "MIT")] == [False] * 4 + [True]


def test_sizes_go_to_the_end_of_the_hubs_scale():
    assert SIZES[0] == "n<1K" and SIZES[-1] == "n>1T" and len(SIZES) == 11
    edges = [0, *(10**power for power in range(3, 13))]
    assert [size_category(edge) for edge in edges] == list(SIZES)
    assert [size_category(edge - 1) for edge in edges[1:]] == list(SIZES[:-1])
    assert size_category(10**18) == "n>1T"
