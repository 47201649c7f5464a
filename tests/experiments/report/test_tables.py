from rich.console import Group
from rich.table import Table
from rich.text import Text

from experiments.report.tables import as_html


def test_a_table_has_its_title_headings_and_cells_as_plain_words():
    table = Table("kind", "size < 3", title="[bold]sizes[/bold]")
    table.add_row("[red]uniform[/red]", "1 & 2")
    table.add_row(Text("random [a]"), "-")
    assert as_html(table) == (
        "<table><caption>sizes</caption>\n"
        '<thead><tr><th scope="col">kind</th><th scope="col">size &lt; 3</th></tr></thead>\n'
        "<tbody>\n<tr><td>uniform</td><td>1 &amp; 2</td></tr>\n<tr><td>random [a]</td><td>-</td></tr>\n</tbody></table>"
    )


def test_a_group_has_all_its_parts_in_their_order():
    assert as_html(Group("first <", Table("a"), Text("last"))) == (
        f"<p>first &lt;</p>\n{as_html(Table('a'))}\n<p>last</p>"
    )
    assert "<caption>" not in as_html(Table("a"))
