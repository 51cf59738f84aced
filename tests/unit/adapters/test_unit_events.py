from __future__ import annotations

from everbeat.adapters.unit_events import unit_path


def test_a_unit_has_the_path_that_systemd_gives_it() -> None:
    folder = "/org/freedesktop/systemd1/unit/"
    assert unit_path("nginx.service") == folder + "nginx_2eservice"
    assert unit_path("pg@14-main.service") == folder + "pg_4014_2dmain_2eservice"
    assert unit_path("389-ds.service") == folder + "_3389_2dds_2eservice"
