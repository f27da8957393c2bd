"""What happens to cases calls for notices: a listener of the engine queues one outbox row for each rule that fits.

It stands in the transaction of `advance`, so it looks rules up in memory and does nothing else; who is told, and how,
is found out when the row is delivered.
"""

from __future__ import annotations

from xiuhua.casework.context import Change, Context
from xiuhua.casework.registry import listener
from xiuhua.city.platforms import platforms
from xiuhua.notify.rules import rules_of


@listener
def heard(ctx: Context, change: Change) -> None:
    """Notices that the step calls for, and whether it is a receipt of an earlier one."""
    platform = platforms().by_id.get(change.columns.get("platform_id", ctx.case.platform_id))
    if platform is None:
        return
    rules, enters = rules_of(platform.code), change.to_state if change.to_state != ctx.case.state else ""
    for rule in rules.rules:
        if rule.fits(ctx.procedure.code, ctx.action.code, enters):
            change.send("notice", rule.code)
    if "platform_id" in change.columns and ctx.case.seq and platform.id != ctx.case.platform_id:
        change.send("notice_moved", ctx.action.code)
    if rules.receipts_by(ctx.action.code):
        change.send("notice_answered", ctx.action.code)
