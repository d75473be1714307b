"""Measured figures and what they may be."""

import dataclasses

# To add a figure: a row here, and a function in a *_figures.py that yields Figure(name, value, how).
# None: shown for what it is, nothing was promised.
#    name                       unit   budget  at least
BUDGETS = {
    "list_vms_xml":            ("ms",     100, False),
    "list_vms_json":           ("ms",     100, False),
    "list_vms_xml_seen":       ("ms",    None, False),
    "list_vms_json_seen":      ("ms",    None, False),
    "slow_list":               ("MB",       1, False),
    "search_vms":              ("ms",      10, False),
    "create_vms":              ("1/s",   1000, True),
    "update_vm":               ("1/s",   1000, True),
    "start_with_10000_vms":    ("s",        1, False),
    "manager_rss_empty":       ("MB",      40, False),
    "manager_rss_10000_vms":   ("MB",     300, False),
    "agent_rss":               ("MB",      20, False),
    "agent_rss_one_vm":        ("MB",    20.1, False),
    "vm_start_ratio":          ("x",      1.1, False),
    "vm_boot_ratio":           ("x",      1.1, False),
    "upload_ratio":            ("x",      0.8, True),
    "upload_cpu":              ("s",     None, False),
    "download_ratio":          ("x",      0.8, True),
    "download_cpu":            ("s",     None, False),
}


@dataclasses.dataclass
class Figure:
    name: str
    value: float
    how: str

    def __post_init__(self):
        self.unit, self.budget, self.at_least = BUDGETS[self.name]

    @property
    def verdict(self):
        if self.budget is None:
            return ""
        good = self.value >= self.budget if self.at_least else self.value <= self.budget
        return "ok" if good else "over"

    @property
    def value_text(self):
        return f"{self.value:.3g}" if self.value < 100 else f"{self.value:.0f}"

    @property
    def budget_text(self):
        return "" if self.budget is None else f"{'>=' if self.at_least else '<='} {self.budget:g}"

    def __str__(self):
        return (f"{self.name:<24}{self.value_text:>8} {self.unit:<5}{self.budget_text:>8} "
                f"{self.verdict}").rstrip()
