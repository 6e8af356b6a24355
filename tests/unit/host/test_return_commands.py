"""``sorter returns`` and ``sorter barcode`` as a user calls them."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from sorter.commands import barcode, returns
from sorter.commands.demo import demo
from sorter.errors import ConfigError, ReturnsFileError, SorterError
from sorter.rehearsal.parcels import prepare_parcels

ROOT = Path(__file__).parents[3]
LINE = str(ROOT / "config" / "line.yaml")
LINES = (
    "label,grade,category,reason,hazmat,value_cents,country,days_held,length_mm,weight_g\n"
    "]C100340123450000000017,A,fashion,wrong_size,no,4500,PL,3,300,500\n"
    "RMA-U,U,fashion,other,no,4500,PL,3,,\n"
    "RMA-LATE,A,fashion,other,no,4500,PL,99,,\n"
    "RMA-HEAVY,A,fashion,other,no,4500,PL,3,300,25000\n"
)


@pytest.fixture
def app():
    built = typer.Typer()
    returns.register(built)
    barcode.register(built)
    return built


@pytest.fixture
def call(app):
    def run(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def registry(tmp_path, call):
    (tmp_path / "r.csv").write_text(LINES)
    path = tmp_path / "returns.sqlite"
    assert call("returns", "import", tmp_path / "r.csv", "--registry", path).exit_code == 0
    return path


def test_import_reports_and_exits_1_on_rejects(tmp_path, call):
    (tmp_path / "r.csv").write_text(LINES + "short\n")
    arguments = ("returns", "import", tmp_path / "r.csv", "--registry", tmp_path / "x.sqlite")
    plain = call(*arguments)
    assert plain.exit_code == 1
    assert "r.csv:6: rejected: 1 fields where the header has 10" in plain.stdout
    assert "5 lines: 4 accepted (4 new, 0 updated), 1 rejected" in plain.stdout
    report = json.loads(call(*arguments, "--json").stdout)
    assert (report["accepted"], report["updated"], report["records_in_registry"]) == (4, 4, 4)
    assert report["rejected"] == [{"line": 6, "cause": "1 fields where the header has 10"}]


def test_import_makes_no_folder_of_a_mistyped_name(tmp_path, call, monkeypatch):
    (tmp_path / "r.csv").write_text(LINES)
    with pytest.raises(SorterError, match=r"there is no folder .*vra to put it in.*--registry"):
        call("returns", "import", tmp_path / "r.csv", "--registry", tmp_path / "vra" / "x.sqlite")
    assert not (tmp_path / "vra").exists()
    monkeypatch.chdir(tmp_path)
    assert call("returns", "import", "r.csv").exit_code == 0
    assert (tmp_path / "var" / "returns.sqlite").is_file()


def test_many_rejects_are_summed_by_cause(tmp_path, call):
    (tmp_path / "r.csv").write_text(LINES + "short\n" * 30)
    result = call("returns", "import", tmp_path / "r.csv", "--registry", tmp_path / "x.sqlite")
    assert "10 more rejected lines" in result.stdout
    assert "30 ... fields where the header has ..." in result.stdout


def test_import_of_online_retail_says_what_was_drawn(tmp_path, call):
    (tmp_path / "r.csv").write_text(
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
        "C1,22556,RED MUG,-200.0,2011-01-01 10:00:00,1.65,17548.0,Poland\n"
    )
    result = call("returns", "import", tmp_path / "r.csv", "--format", "online-retail",
                  "--registry", tmp_path / "x.sqlite", "--seed", "4")  # fmt: skip
    assert result.exit_code == 0
    assert "The file has no grade: drawn with seed 4" in result.stdout
    assert "1 line of more than 24 units, taken for wholesale" in result.stdout
    assert "without a country" not in result.stdout  # it has one
    assert "Daqing Chen, Sai Liang Sain, Kun Guo (2012)" in result.stdout
    assert ": 1 line: 1 accepted (1 new, 0 updated)" in result.stdout
    assert result.stdout.endswith("x.sqlite holds 1 return\n")


RETAIL_HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,Country\n"


@pytest.mark.parametrize(
    ("file_format", "header"),
    [("csv", LINES.splitlines(keepends=True)[0]), ("online-retail", RETAIL_HEADER)],
)
@pytest.mark.parametrize("below", ["", "\n\n"])
def test_a_file_without_lines_is_nothing_to_import(tmp_path, call, file_format, header, below):
    (tmp_path / "r.csv").write_text(header + below)
    registry = tmp_path / "x.sqlite"
    arguments = ("returns", "import", tmp_path / "r.csv", "--format", file_format,
                 "--registry", registry)  # fmt: skip
    result = call(*arguments)
    assert result.exit_code == 1
    assert "nothing to import: no line below the header" in result.stdout
    assert "was not made" in result.stdout
    assert "note" not in result.stdout
    report = json.loads(call(*arguments, "--json").stdout)
    assert (report["accepted"], report["records_in_registry"]) == (0, 0)
    assert not registry.exists()


@pytest.mark.parametrize("semicolons", [False, True])
@pytest.mark.parametrize(
    ("file_format", "other", "header"),
    [
        ("online-retail", "csv", LINES.splitlines(keepends=True)[0]),
        ("csv", "online-retail", RETAIL_HEADER),
    ],
)
def test_a_file_of_the_other_format_is_hinted_at_and_leaves_nothing(
    tmp_path, call, file_format, other, header, semicolons
):
    (tmp_path / "r.csv").write_text(header.replace(",", ";") if semicolons else header)
    with pytest.raises(ReturnsFileError, match=f"these are the columns of --format {other}$"):
        call("returns", "import", tmp_path / "r.csv", "--format", file_format,
             "--registry", tmp_path / "x.sqlite")  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["r.csv"]


def test_rejected_lines_alone_make_no_registry(tmp_path, call):
    (tmp_path / "r.csv").write_text(LINES.splitlines(keepends=True)[0] + "short\n")
    result = call("returns", "import", tmp_path / "r.csv", "--registry", tmp_path / "x.sqlite")
    assert result.exit_code == 1
    assert ": 1 line: 0 accepted (0 new, 0 updated), 1 rejected" in result.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["r.csv"]


def test_a_failed_import_leaves_the_registry_as_it_was(tmp_path, call, registry):
    before = registry.read_bytes()
    (tmp_path / "r.csv").write_text(RETAIL_HEADER)
    with pytest.raises(ReturnsFileError):
        call("returns", "import", tmp_path / "r.csv", "--registry", registry)
    result = call("returns", "import", tmp_path / "r.csv", "--format", "online-retail",
                  "--registry", registry)  # fmt: skip
    assert "returns.sqlite holds 4 returns" in result.stdout
    assert registry.read_bytes() == before


def test_unusable_files_raise_our_errors(tmp_path, call):
    with pytest.raises(ReturnsFileError, match="cannot be read"):
        call("returns", "import", tmp_path / "none.csv", "--registry", tmp_path / "x.sqlite")
    with pytest.raises(ReturnsFileError, match="no return registry"):
        call("returns", "show", "RMA1", "--registry", tmp_path / "none.sqlite")
    with pytest.raises(ConfigError):
        call("barcode", "RMA1", "--config", tmp_path / "none.yaml")


def test_generate_then_import(tmp_path, call):
    made = call("returns", "generate", tmp_path / "g.csv", "--count", "30", "--seed", "3", "--json")
    assert json.loads(made.stdout)["lines"] == 30
    result = call("returns", "import", tmp_path / "g.csv", "--registry", tmp_path / "x.sqlite")
    assert "30 accepted (30 new" in result.stdout


@pytest.mark.parametrize("label", ["]C100340123450000000017", "(00)340123450000000017"])
def test_show_finds_any_notation(call, registry, label):
    shown = call("returns", "show", label, "--registry", registry, "--json")
    assert shown.exit_code == 0
    record = json.loads(shown.stdout)
    assert (record["identity"], record["length_mm"]) == ("sscc:340123450000000017", 300)
    assert record["width_mm"] is None
    assert "grade         A" in call("returns", "show", label, "--registry", registry).stdout


def test_show_of_an_unknown_label_exits_1(call, registry):
    assert call("returns", "show", "RMA9", "--registry", registry).exit_code == 1


def fate_of(call, registry, *texts):
    result = call("barcode", *texts, "--config", LINE, "--registry", registry, "--json")
    return result, json.loads(result.stdout)


def test_barcode_of_a_known_return_names_its_chutes(call, registry):
    result, report = fate_of(call, registry, "]C100340123450000000017")
    assert result.exit_code == 0
    (code,) = report["codes"]
    assert (code["family"], code["check"]) == ("gs1_element_string", "ok")
    assert code["elements"] == {"00": "340123450000000017"}
    fate = code["fate"]
    assert (fate["disposition"], fate["stream"]) == ("RESTOCK", "restock_fashion")
    assert fate["record"]["value_cents"] == 4500
    assert fate["groups"][0]["stream"] == "restock_fashion"
    assert {group["stream"] for group in fate["groups"]} > {"restock_fashion"}  # overflow
    text = call("barcode", "]C100340123450000000017", "--config", LINE, "--registry", registry)
    assert fate["groups"][0]["chutes"][0] in text.stdout
    assert "recirculate, at most 3 laps" in text.stdout


@pytest.mark.parametrize(
    ("text", "exception", "exit_code"),
    [
        ("", "no_read", 1),
        (r"\x07", "no_read", 1),
        ("RR473124829PL", "no_data", 0),
        ("5901234123457", "no_data", 1),
        ("RMA-U", "ungraded", 0),
        ("RMA-LATE", "window_expired", 0),
        ("RMA-HEAVY", "over_weight", 0),
    ],
)
def test_barcode_names_the_exception_outlet(call, registry, text, exception, exit_code):
    result, report = fate_of(call, registry, text)
    fate = report["codes"][0]["fate"]
    assert (fate["exception"], result.exit_code) == (exception, exit_code)
    assert len(fate["groups"][0]["chutes"]) == 1
    plain = call("barcode", text, "--config", LINE, "--registry", registry)
    assert f"{exception} -> chute {fate['groups'][0]['chutes'][0]}" in plain.stdout


def test_a_misread_product_number_is_no_parcel_unless_registered(tmp_path, call, registry):
    result, report = fate_of(call, registry, "4006381333932")
    assert (result.exit_code, report["codes"][0]["check"]) == (1, "wrong")
    assert report["codes"][0]["identity"] is None
    assert report["codes"][0]["fate"]["exception"] == "no_data"
    _, report = fate_of(call, registry, "4006381333932", "]C100340123450000000017")
    assert report["together"]["stream"] == "restock_fashion"

    (tmp_path / "more.csv").write_text(
        LINES.splitlines(keepends=True)[0] + "4006381333932,A,fashion,other,no,1,PL,3,,\n"
    )
    assert call("returns", "import", tmp_path / "more.csv", "--registry", registry).exit_code == 0
    for notation in ("4006381333932", "]C04006381333932"):
        result, report = fate_of(call, registry, notation)
        assert (result.exit_code, report["codes"][0]["identity"]) == (0, "text:4006381333932")
        assert report["codes"][0]["fate"]["exception"] is None
    shown = call("barcode", "4006381333932", "--config", LINE, "--registry", registry).stdout
    assert "text:4006381333932 (only because the registry knows it)" in shown
    assert "check digit is wrong" in shown


def test_two_codes_are_also_judged_together(call, registry):
    _, report = fate_of(call, registry, "RMA-U", "RR473124829PL")
    assert report["together"]["exception"] == "multi_read_conflict"
    _, report = fate_of(call, registry, "RMA-U", "ROUTE 7")
    assert report["together"]["exception"] == "ungraded"


def test_escapes_in_the_text(call, registry):
    _, report = fate_of(call, registry, r"]d2010590123412345710LOT\x1d21SN1")
    assert report["codes"][0]["identity"] == "sgtin:05901234123457+SN1"


def test_barcode_without_a_line_reads_the_code_only(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call("barcode", "RR473124829PL")
    assert result.exit_code == 0
    assert "s10:RR473124829PL" in result.stdout
    assert "name one with --config" in result.stdout


def test_a_registry_that_is_named_is_asked_without_a_line(call, registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ("--registry", registry)
    for notation in ("]C100340123450000000017", "00340123450000000017"):
        shown = call("barcode", notation, *options).stdout
        assert "name one with --config" in shown
        assert "record       label ]C100340123450000000017, grade A" in shown
        report = json.loads(call("barcode", notation, *options, "--json").stdout)
        assert report["codes"][0]["fate"] is None
        assert report["codes"][0]["record"]["value_cents"] == 4500
    unknown = call("barcode", "RR002373858DE", *options)
    assert (unknown.exit_code, f"record       none in {registry}" in unknown.stdout) == (0, True)
    with pytest.raises(ReturnsFileError, match="no return registry there"):
        call("barcode", "RR002373858DE", "--registry", tmp_path / "nowhere.sqlite")


def test_a_line_without_registry_says_so(call, tmp_path):
    for name in ("line.yaml", "sort_plan.yaml", "returns_policy.yaml"):
        folder = tmp_path / "config"
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes((ROOT / "config" / name).read_bytes())
    result = call("barcode", "RMA1", "--config", tmp_path / "config" / "line.yaml")
    assert "no return registry at" in result.stdout
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize("command", [("returns", "import"), ("returns", "show"), ("barcode",)])
def test_exit_codes_are_in_the_help(call, command):
    assert "Exit code 0" in call(*command, "--help").stdout


def test_the_barcode_of_the_readme_is_known_after_the_demo_of_the_readme(
    tmp_path, call, monkeypatch
):
    shown = re.findall(
        r"^\$ sorter (barcode [^#\n]+)", (ROOT / "README.md").read_text(), re.MULTILINE
    )
    assert shown
    usual = inspect.signature(demo).parameters
    folder = usual["keep"].default / "modbus"
    prepare_parcels(
        tmp_path / folder,
        usual["parcels"].default,
        usual["rate"].default,
        usual["seed"].default,
        None,
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").symlink_to(ROOT / "config")
    for command in shown:
        result = call(*command.split())
        assert result.exit_code == 0, result.output
        assert "record       label" in result.output
        assert "choice 1" in result.output
