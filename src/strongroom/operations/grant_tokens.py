"""Grant tokens: what CreateGrant gives and other requests may carry.

A token names a grant of one Region and cannot be forged (docs/formats/ticket.md). It does not say that the
grant is still there: a request with the token of a grant that was retired is judged as one without it.
Since a grant is in force on every worker as soon as CreateGrant has answered, nobody needs a token here; it
is verified all the same, so that what AWS refuses is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from strongroom.aws import refusals
from strongroom.boundary.interface import Boundary, TicketRefused
from strongroom.operations.tickets import parse_base64, render_base64, render_context
from strongroom.resources.grant import GrantId, GrantReference
from strongroom.resources.identifiers import AccountId, KeyId, Region

_PURPOSE = "grant token"


async def make_grant_token(boundary: Boundary, grant: GrantReference) -> str:
    """A new token of a grant; each is another, and all of a grant's are worth the same."""
    text = f"{grant.account_id}\n{grant.key_id}\n{grant.grant_id}".encode()
    return render_base64(await boundary.make_ticket(_PURPOSE, render_context((grant.region,)), text))


async def read_grant_token(boundary: Boundary, token: str, region: Region) -> GrantReference:
    """The grant that a token of this Region names. Raises InvalidGrantTokenException."""
    try:
        ticket = parse_base64(token)
        text = await boundary.read_ticket(_PURPOSE, render_context((region,)), ticket)
    except (ValueError, TicketRefused):
        raise refusals.invalid_grant_token() from None
    account_id, key_id, grant_id = text.decode("ascii").split("\n")
    return GrantReference(AccountId(account_id), region, KeyId(key_id), GrantId(grant_id))


async def read_grant_tokens(
    boundary: Boundary, tokens: Sequence[str], region: Region
) -> tuple[GrantReference, ...]:
    """The grants that the tokens of a request name. Raises InvalidGrantTokenException."""
    return tuple([await read_grant_token(boundary, token, region) for token in tokens])
