"""Import of return files: every line is accounted for."""

from __future__ import annotations

import csv
from collections import Counter
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sorter.errors import ReturnsFileError
from sorter.host.csv_records import read_records
from sorter.host.generate import CATEGORIES, generate_returns
from sorter.host.online_retail import category_of
from sorter.host.registry import Registry
from sorter.host.returns_file import COLUMNS, import_csv, import_online_retail, write_csv
from sorter.model.codes import Grade, ReturnReason

ROOT = Path(__file__).parents[3]
REAL = ROOT.parent / "shared" / "data" / "online_retail_returns.csv"
HEADER = "label,grade,category,reason,hazmat,value_cents,country,days_held\n"
RETAIL_HEADER = (
    "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
)
GOOD_RETAIL = "C1,22556,RED MUG,-2.0,2011-01-01 10:00:00,1.65,17548.0,Poland\n"


@pytest.fixture
def registry():
    with Registry.create(":memory:") as opened:
        yield opened


def run_csv(registry, path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return import_csv(path, registry)


def run_retail(registry, path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return import_online_retail(path, registry, 1)


def balanced(report):
    rest = report.blank + report.continued
    return report.lines == report.accepted + len(report.rejected) + rest


def test_what_was_written_is_imported_as_it_was(tmp_path, registry):
    returns = [one.announced for one in generate_returns(200, 9)]
    assert write_csv(tmp_path / "r.csv", returns) == 200
    report = import_csv(tmp_path / "r.csv", registry)
    assert (report.lines, report.accepted, report.inserted) == (200, 200, 200)
    assert list(registry) == returns
    again = import_csv(tmp_path / "r.csv", registry)
    assert (again.inserted, again.updated, registry.count()) == (0, 200, 200)


def test_the_shipped_sample_imports_and_is_what_the_generator_writes(tmp_path, registry):
    shipped = ROOT / "config" / "returns" / "sample.csv"
    report = import_csv(shipped, registry)
    assert (report.lines, report.accepted) == (500, 500)
    write_csv(tmp_path / "again.csv", (one.announced for one in generate_returns(500, 1, 0.0)))
    assert shipped.read_bytes() == (tmp_path / "again.csv").read_bytes()


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("RMA1,A,fashion,other,no,12,PL", "7 fields where the header has 8"),
        ("RMA1,A,fashion,other,no,12,PL,3,9", "9 fields where the header has 8"),
        (",A,fashion,other,no,12,PL,3", "label is empty"),
        (r"\x07,A,fashion,other,no,12,PL,3", "label is not legible: holds control characters"),
        ("RMA1\0,A,fashion,other,no,12,PL,3", r"holds control characters ('\x00')"),
        (r"\x00RMA1,A,fashion,other,no,12,PL,3", r"holds control characters ('\x00')"),
        (r"RMA1\r\n,A,fashion,other,no,12,PL,3", r"holds control characters ('\r')"),
        ("RMA1\t,A,fashion,other,no,12,PL,3", r"holds control characters ('\t')"),
        ("R" * 228 + ",A,fashion,other,no,12,PL,3", "label is longer than 227 bytes"),
        (r"\ud800,A,fashion,other,no,12,PL,3", "label holds half a surrogate pair"),
        ("RMA1,E,fashion,other,no,12,PL,3", "grade 'E' is not one of A, B, C, D, U"),
        ("RMA1,A,9,other,no,12,PL,3", "category '9' is not a name"),
        ("RMA1,A,fashion,why,no,12,PL,3", "reason 'why' is not one of wrong_size"),
        ("RMA1,A,fashion,other,maybe,12,PL,3", "hazmat 'maybe' is not one of yes"),
        ("RMA1,A,fashion,other,no,1.5,PL,3", "value_cents '1.5' is not a whole number"),
        ("RMA1,A,fashion,other,no,-1,PL,3", "value_cents '-1' is not between"),
        ("RMA1,A,fashion,other,no," + "9" * 5000 + ",PL,3", "is not a whole number"),
        ("RMA1,A,fashion,other,no,12,Poland,3", "country 'POLAND' is not two letters"),
        ("RMA1,A,fashion,other,no,12,PL,x", "days_held 'x' is not a whole number"),
        ('"RMA1,A,fashion,other,no,12,PL,3', "not CSV"),
        ("RMA0,A,fashion,other,no,12,PL,3", "same label as line 2"),
        (" RMA0,A,fashion,other,no,12,PL,3", "same label as line 2"),
        ("x" * 20_000, "longer than 16,384 bytes"),
    ],
)
def test_a_bad_line_is_rejected_with_its_number_and_cause(tmp_path, registry, line, cause):
    good = "RMA0,A,fashion,other,no,12,PL,3\n"
    last = "RMA2,b,Shoes,defect,1,12,de,\n"
    report = run_csv(registry, tmp_path / "r.csv", HEADER + good + line + "\n" + last)
    assert [one.line for one in report.rejected] == [3]
    assert cause in report.rejected[0].cause
    assert (report.lines, report.accepted) == (3, 2)
    record = registry.lookup("RMA2").record
    assert (record.grade, record.country, record.days_held) == (Grade.B, "DE", -1)


def test_bytes_that_are_no_text_spoil_their_own_line_only(tmp_path, registry):
    content = HEADER.encode() + b"RMA1,A,f\xff,other,no,1,PL,3\n\nRMA2,A,f,other,no,1,PL,3"
    report = run_csv(registry, tmp_path / "r.csv", content)
    assert [(one.line, one.cause) for one in report.rejected] == [(2, "not UTF-8 at byte 9")]
    assert (report.lines, report.accepted, report.blank) == (3, 1, 1)


def test_a_label_may_hold_the_separator_of_gs1_fields(tmp_path, registry):
    label = r"\x1d010590123412345710LOT\x1d21SN17"
    run_csv(registry, tmp_path / "r.csv", HEADER + f"{label},A,fashion,other,no,12,PL,3\n")
    assert [one.record.identity for one in registry] == ["sgtin:05901234123457+SN17"]


NOTED_HEADER = HEADER.strip() + ",note\n"


def noted(label, note):
    return f"{label},A,fashion,other,no,12,PL,3,{note}\n"


def causes_by_line(report):
    return {one.line: one.cause for one in report.rejected}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_quoted_line_end_is_part_of_its_field(tmp_path, registry, newline):
    inside = noted("RMA9", "none")
    content = NOTED_HEADER + noted("RMA1", f'"first\n\n{inside}""last"') + noted("RMA2", "x")
    report = run_csv(registry, tmp_path / "r.csv", content.replace("\n", newline))
    assert [one.record.label for one in registry] == ["RMA1", "RMA2"]
    assert (report.lines, report.accepted, report.continued, report.rejected) == (5, 2, 3, [])
    assert any("3 lines inside a quoted field" in note for note in report.notes())


def test_a_bad_record_of_several_lines_is_one_reject_at_its_first(tmp_path, registry):
    inside = noted("RMA9", "none")
    bad_fields = noted("RMA1", f'"a\n{inside}b"').replace(",3,", ",x,", 1)
    bad_count = f'RMA3,"a\n{inside}b"\n'
    content = NOTED_HEADER + noted("RMA0", "") + bad_fields + bad_count + noted("RMA2", "x")
    report = run_csv(registry, tmp_path / "r.csv", content)
    assert [one.record.label for one in registry] == ["RMA0", "RMA2"]
    assert causes_by_line(report) == {
        3: "days_held 'x' is not a whole number (one record with quoted line ends, to line 5)",
        6: "2 fields where the header has 9 (one record with quoted line ends, to line 8)",
    }
    assert balanced(report)


def test_a_field_of_any_length_is_never_cut_into_records(tmp_path, registry):
    inside = noted("RMA9", "none")
    content = NOTED_HEADER + noted("RMA1", f'"{inside * 2000}"') + noted("RMA2", "x")
    report = run_csv(registry, tmp_path / "r.csv", content)
    assert [one.record.label for one in registry] == ["RMA2"]
    assert list(causes_by_line(report)) == [2]
    assert (
        "longer than 16,384 bytes (one record with quoted line ends, to line 2002)"
        in (causes_by_line(report)[2])
    )
    assert (report.lines, report.continued) == (2002, 2000)


@pytest.mark.parametrize("opened", ['"', 'y,"', '"""', '"a""'])
def test_a_quotation_mark_that_nobody_closes_spoils_its_own_line_only(tmp_path, registry, opened):
    others = "".join(noted(f"RMA{number}", "fine") for number in range(1000))
    content = NOTED_HEADER + noted("BAD", opened) + others
    report = run_csv(registry, tmp_path / "r.csv", content)
    assert report.accepted == registry.count() == 1000
    assert causes_by_line(report).keys() == {2}
    assert balanced(report)


def test_what_two_stray_quotation_marks_enclose_is_said(tmp_path, registry):
    others = "".join(noted(f"RMA{number}", "fine") for number in range(1000))
    content = NOTED_HEADER + noted("BAD", '"') + others + noted("BAD", '"')
    report = run_csv(registry, tmp_path / "r.csv", content)
    assert (report.accepted, report.continued) == (0, 1001)
    assert "to line 1003)" in causes_by_line(report)[2]


def test_text_behind_a_closing_quotation_mark_gives_the_lines_back(tmp_path, registry):
    content = NOTED_HEADER + noted("BAD", '"') + noted("RMA1", '"fine"') + noted("RMA2", "")
    report = run_csv(registry, tmp_path / "r.csv", content)
    assert [one.record.label for one in registry] == ["RMA1", "RMA2"]
    assert causes_by_line(report) == {2: "not CSV: a quotation mark is opened and never closed"}


def test_a_quoted_line_end_in_the_header_is_part_of_a_column(tmp_path, registry):
    content = "\ufeff" + HEADER.strip() + ',"of\nwhom"\n' + noted("RMA1", "x") + noted("", "y")
    report = run_csv(registry, tmp_path / "r.csv", content)
    assert (report.accepted, causes_by_line(report)) == (1, {4: "label is empty"})


records = st.lists(
    st.lists(
        st.lists(st.sampled_from(["a", '"', ",", ";", "\n", "\r\n", " "])).map("".join),
        min_size=1,
        max_size=4,
    )
)


@given(records, st.sampled_from(",;"), st.sampled_from(["\n", "\r\n"]))
def test_what_a_csv_writer_wrote_is_cut_into_its_records(rows, delimiter, newline):
    file = StringIO(newline="")
    csv.writer(file, delimiter=delimiter, lineterminator=newline).writerows(rows)
    content = file.getvalue().encode()
    found = list(read_records(BytesIO(content), delimiter, 1))
    assert b"".join(one.content for one in found) == content
    assert [one.problem for one in found] == [""] * len(rows)
    texts = [one.content.decode().rstrip("\r\n") for one in found]
    parsed = [next(csv.reader([text], delimiter=delimiter, strict=True)) for text in texts]
    assert parsed == rows


@given(st.binary(max_size=60), st.text(st.sampled_from('"",\na'), max_size=60))
def test_any_bytes_are_cut_into_records_that_hold_every_line(junk, quotes):
    content = junk + quotes.encode()
    found = list(read_records(BytesIO(content), ",", 1))
    assert b"".join(one.content for one in found) == content
    first_lines = [one.line for one in found]
    assert first_lines == [1 + sum(one.line_count for one in found[:n]) for n in range(len(found))]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_semicolons_byte_order_mark_and_other_column_order(tmp_path, registry, newline, mark):
    header = "Country;label;grade;category;reason;hazmat;value_cents;days_held;note"
    content = mark + newline.join([header, "pl;RMA1;A;books;other;no;5;4;hello", ""])
    report = run_csv(registry, tmp_path / "r.csv", content)
    assert (report.lines, report.accepted) == (1, 1)
    assert registry.lookup("RMA1").record.country == "PL"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\x7fELF\x02\xff\xfe\x00", "not UTF-8"),
        ("label,grade\n".encode("utf-16"), "not UTF-8"),
        (b"label,grade\nRMA1,A\n", "missing: category, reason"),
        (HEADER.strip().encode() + b",label\n", "once each; twice: label"),
    ],
)
def test_a_file_that_is_none_of_ours_is_refused(tmp_path, registry, content, message):
    with pytest.raises(ReturnsFileError, match=message):
        run_csv(registry, tmp_path / "r.csv", content)
    assert registry.count() == 0


def test_a_missing_file_and_a_folder_are_refused(tmp_path, registry):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(ReturnsFileError, match="cannot be read"):
            import_csv(path, registry)
        with pytest.raises(ReturnsFileError, match="cannot be read"):
            import_online_retail(path, registry)


@given(st.binary(max_size=400), st.sampled_from([HEADER, RETAIL_HEADER]))
def test_any_bytes_below_the_header_are_accounted_for(tmp_path_factory, content, header):
    path = tmp_path_factory.mktemp("files") / "r.csv"
    with Registry.create(":memory:") as registry:
        run = run_csv if header == HEADER else run_retail
        report = run(registry, path, header.encode() + content)
        assert balanced(report)
        assert report.lines == content.count(b"\n") + (
            not content.endswith(b"\n") and content != b""
        )
        assert registry.count() == report.accepted


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (("-2.0", "0"), "is no return"),
        (("-2.0", "3"), "is no return"),
        (("-2.0", "nan"), "Quantity 'nan' is not a number"),
        (("-2.0", "-1.5"), "Quantity '-1.5' is not a whole number"),
        (("-2.0", ""), "Quantity '' is not a number"),
        (("1.65", "NaN"), "UnitPrice 'NaN' is not a number"),
        (("1.65", "-1"), "UnitPrice '-1' is not a price"),
        (("1.65", "1e300"), "UnitPrice '1e300' is not a price"),
        (("2011-01-01 10:00:00", "2011-02-30 10:00:00"), "is not a date and time"),
        (("2011-01-01 10:00:00", ""), "is not a date and time"),
        (("C1,", "536,"), "is no cancellation"),
        (("22556", ""), "StockCode '' is not"),
        (("RED MUG,", ""), "7 fields where the header has 8"),
    ],
)
def test_a_bad_retail_line_is_rejected(tmp_path, registry, change, cause):
    content = RETAIL_HEADER + GOOD_RETAIL + GOOD_RETAIL.replace(*change)
    report = run_retail(registry, tmp_path / "r.csv", content)
    assert [one.line for one in report.rejected] == [3]
    assert cause in report.rejected[0].cause
    assert report.accepted == registry.count() == 1


def test_a_retail_description_may_hold_a_line_end(tmp_path, registry):
    content = GOOD_RETAIL.replace("RED MUG", f'"RED\n{GOOD_RETAIL}MUG"') + GOOD_RETAIL
    report = run_retail(registry, tmp_path / "r.csv", RETAIL_HEADER + content)
    assert [one.record.label for one in registry] == ["C1-22556-2", "C1-22556-5"]
    assert (report.lines, report.accepted, report.continued) == (4, 2, 2)
    assert any("2 lines inside a quoted field" in note for note in report.notes())


def test_a_retail_line_becomes_one_parcel(tmp_path, registry):
    lines = [
        GOOD_RETAIL,
        GOOD_RETAIL.replace("-2.0", "-80995.0"),
        GOOD_RETAIL.replace("17548.0", "").replace("Poland", "European Community"),
    ]
    report = run_retail(registry, tmp_path / "r.csv", RETAIL_HEADER + "".join(lines))
    assert report.counts == {"capped": 1, "unknown_country": 1, "guest": 1, "customers_dropped": 2}
    first, capped, guest = list(registry)
    assert first.record.label == "C1-22556-2"
    assert first.record.identity == "text:C1-22556-2"
    assert (first.units, first.record.value_cents, first.record.country) == (2, 330, "PL")
    assert (first.record.category, first.announced_at) == ("home", "2011-01-01T10:00:00")
    assert (capped.units, capped.record.value_cents) == (24, 24 * 165)
    assert guest.record.country == "ZZ"


def test_what_is_drawn_for_a_line_does_not_depend_on_other_lines(tmp_path):
    def drawn(content):
        with Registry.create(":memory:") as registry:
            run_retail(registry, tmp_path / "r.csv", RETAIL_HEADER + content)
            return {
                one.record.label: (one.record.grade, one.record.reason, one.record.days_held)
                for one in registry
            }

    alone = drawn("junk\n" * 5000 + GOOD_RETAIL)
    assert alone.items() <= drawn(GOOD_RETAIL * 5001).items()


@pytest.mark.parametrize(
    ("code", "description", "category"),
    [
        ("22556", "RED RETROSPOT MUG", "home"),
        ("22556", "Lunch bag, pink", "fashion"),
        ("22556", "CHILDRENS CUTLERY SET", "toys"),
        ("22556", "", "other"),
        ("POST", "RED MUG", "other"),
    ],
)
def test_category_by_words(code, description, category):
    assert category_of(code, description) == category
    assert category in {shape.name for shape in CATEGORIES}


def test_the_real_file_is_accounted_for_line_by_line():
    if not REAL.is_file():
        pytest.skip(f"{REAL} is not there: the data are not part of the project")
    with Registry.create(":memory:") as registry:
        calls = []
        report = import_online_retail(REAL, registry, 1, lambda *sizes: calls.append(sizes))
        returns = list(registry)
    assert (report.lines, report.accepted, report.rejected) == (8704, 8704, [])
    assert report.counts == {
        "capped": 583,
        "unknown_country": 1,
        "guest": 165,
        "customers_dropped": 8539,
    }
    assert calls[-1][0] == calls[-1][1] == REAL.stat().st_size
    assert len({one.record.country for one in returns}) == 28
    assert [one.announced_at for one in returns] == sorted(one.announced_at for one in returns)
    assert max(one.units for one in returns) == 24
    assert any("drawn with seed 1" in note and "wrong_size 30 %" in note for note in report.notes())
    reasons = Counter(one.record.reason for one in returns)
    grades = Counter(one.record.grade for one in returns)
    # five standard deviations of 8,704 draws
    assert abs(reasons[ReturnReason.WRONG_SIZE] / 8704 - 0.30) < 0.025
    assert abs(grades[Grade.A] / 8704 - 0.93) < 0.014


def test_the_columns_are_documented():
    assert COLUMNS[0] == "label"
    from sorter.host import returns_file

    documented = returns_file.__doc__
    assert all(name in documented for name in COLUMNS)
