"""One measured figure."""

import dataclasses


@dataclasses.dataclass
class Figure:
    name: str
    value: float
    unit: str
    budget: float
    at_least: bool = False  # the budget is a minimum
    note: str = ""

    @property
    def verdict(self):
        good = self.value >= self.budget if self.at_least else self.value <= self.budget
        return "ok" if good else "over"

    @property
    def value_text(self):
        return f"{self.value:.3g}" if self.value < 100 else f"{self.value:.0f}"

    @property
    def budget_text(self):
        return f"{'>=' if self.at_least else '<='} {self.budget:g}"

    def __str__(self):
        return (f"{self.name:<28} {self.value_text:>8} {self.unit:<10} {self.budget_text:>10} "
                f"{self.verdict}")
