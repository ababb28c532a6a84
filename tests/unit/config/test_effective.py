from __future__ import annotations

from collections.abc import Callable

from hilum.config import Settings, dump, init_template

Read = Callable[..., Settings]

FULL = """\
dicom:
  scp:
    ae-titles:
      - {ae-title: "104", timeout: 5, ignored-sop-classes: [MRImageStorage, CTImageStorage]}
    sources: [{host-ip: "::1", ae-title: "yes"}]
    timeouts: {artim: 0.5}
  scu: {destinations: [{name: "null", host-ip: p, port: 1, ae-title: P}, {name: B, host-ip: p, port: 1, ae-title: P}]}
workflows:
  - {name: "1.5", clara-ae-title: "104", destination: "null", workflow: "2020-01-01", engine: local}
  - {name: "#2", clara-ae-title: "104", destination: ["null", B]}
engines: {local: {type: process, command: [python, "{input}", ""], environment: {A: "1"}}}
"""


def test_what_is_written_loads_to_the_same_settings(read: Read) -> None:
    settings = read(FULL)
    assert read(dump(settings)) == settings


def test_every_default_is_written_out(read: Read) -> None:
    text = dump(read("{}"))
    assert "    port: 104\n" in text
    assert "ae-title: ClaraSCP" in text
    assert "give-up-after: 604800\n" in text
    assert "scan-seconds: 0.5\n" in text


def test_secrets_are_masked(read: Read) -> None:
    text = dump(
        read(
            "web: {token: hush}\n"
            "engines: {a: {type: process, command: [x], environment: {API_KEY: hush, Password: hush, MODE: fast}}}"
        )
    )
    assert "hush" not in text
    assert "token: '********'" in text
    assert "MODE: fast" in text


def test_the_template_can_be_written_too(read: Read) -> None:
    settings = read(init_template())
    assert read(dump(settings)) == settings
