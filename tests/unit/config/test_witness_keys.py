from __future__ import annotations

from everbeat.config.files import ConfigFile
from everbeat.config.witness_keys import ClusterFile, witness_config_from_files


def file_of(cluster: str, text: str | None, mode: int = 0o600) -> ClusterFile:
    return ClusterFile(cluster, ConfigFile(f"witness.d/{cluster}.authkeys", text, mode))


def test_a_file_with_an_error_is_left_out_and_the_others_are_served() -> None:
    config = witness_config_from_files(
        [
            file_of("broken", "auth 1\n"),
            file_of("missing", None),
            file_of("shop", "auth 2\n2 sha1 TopSecretKey\n1 md5 FormerSecret\n"),
            file_of("open", "auth 1\n1 crc\n"),
        ]
    )
    assert [each.cluster for each in config.clusters] == ["shop"]
    assert [(r.place.file, r.code) for r in config.reports if r.code != "key-several"] == [
        ("witness.d/broken.authkeys", "auth-key-missing"),
        ("witness.d/missing.authkeys", "file-missing"),
        ("witness.d/open.authkeys", "key-crc"),
        ("witness.d/open.authkeys", "witness-key-crc"),
    ]


def test_a_secret_of_two_clusters_counts_for_the_first() -> None:
    same = "auth 1\n1 sha1 TopSecretKey\n"
    config = witness_config_from_files([file_of("one", same), file_of("two", same)])
    assert [each.cluster for each in config.clusters] == ["one"]
    [report] = config.reports
    assert (report.code, report.place.file) == ("witness-key-shared", "witness.d/two.authkeys")
    assert "one.authkeys" in report.summary
