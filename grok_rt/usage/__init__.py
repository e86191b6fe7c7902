"""What a call costs: a meter, the prices it knows, and the budget that ends the call.

The meter belongs to the session's books, which see all that is said, whether or not anybody
pumps. No I/O here, and no thread.
"""

from __future__ import annotations

from grok_rt.usage._meter import Meter
from grok_rt.usage._terms import PRICES, Budget, Prices, Reading

__all__ = ["PRICES", "Budget", "Meter", "Prices", "Reading"]
