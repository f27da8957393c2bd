"""Log-in, log-out and one's own account: seat, language, password, API tokens."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import authenticate, login, logout, update_session_auth_hash
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from xiuhua.city import login_throttle, roles, tokens
from xiuhua.city.access import Actor, actor_for, public, requires, signed_in
from xiuhua.city.forms import LoginForm, PasswordForm, TokenForm
from xiuhua.city.middleware import SEAT_KEY
from xiuhua.city.models import ApiToken, Post, User
from xiuhua.city.organisations import tree


@public("the door itself")
@sensitive_post_parameters("password")
@csrf_protect
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def login_view(request: HttpRequest) -> HttpResponse:
    """Ask for name and password; the session gets a new key, so a planted one is worth nothing."""
    back = _back(request)
    if request.user.is_authenticated and request.method != "POST":
        return HttpResponseRedirect(back)
    form = LoginForm(request.POST if request.method == "POST" else None)
    status, wait = 200, 0
    if request.method == "POST" and form.is_valid():
        username, address = form.cleaned_data["username"], login_throttle.address_of(request)
        wait = login_throttle.wait_seconds(username, address)
        if wait:
            minutes = -(-wait // 60)
            form.add_error(
                None,
                ngettext(
                    "Too many failed log-ins. Try again in %(minutes)d minute.",
                    "Too many failed log-ins. Try again in %(minutes)d minutes.",
                    minutes,
                )
                % {"minutes": minutes},
            )
            status = 429
        else:
            user = authenticate(request, username=username, password=form.cleaned_data["password"])
            if isinstance(user, User) and user.kind == User.Kind.PERSON:
                login_throttle.succeeded(username)
                login(request, user)
                return HttpResponseRedirect(back)
            login_throttle.failed(username, address)
            form.add_error(None, _("User name or password is not right, or the account is closed."))
            status = 401
    elif request.method == "POST":
        status = 422
    response = render(request, "city/login.html", {"form": form, "next": back}, status=status)
    if wait:
        response["Retry-After"] = str(wait)
    return response


def _back(request: HttpRequest) -> str:
    """Where to go after the log-in: ``next`` if it is ours, else the first page."""
    wished = request.POST.get("next") or request.GET.get("next") or ""
    ours = url_has_allowed_host_and_scheme(
        wished, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wished if ours else resolve_url(settings.LOGIN_REDIRECT_URL)


@public("leaving is always allowed")
@require_POST
def logout_view(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("login")


@signed_in
@never_cache
@require_GET
def account(request: HttpRequest) -> HttpResponse:
    return _account(request)


def _account(request: HttpRequest, status: int = 200, **more: Any) -> HttpResponse:
    user = _user(request)
    actor: Actor = request.actor  # type: ignore[attr-defined]
    may_make_tokens = actor_for(user).has("api.token")
    context = {
        "user_name": user.display_name,
        "username": user.username,
        "seats": _seats(request, user),
        "languages": settings.LANGUAGES,
        "language": user.language or getattr(request, "LANGUAGE_CODE", ""),
        "password_form": PasswordForm(user),
        "token_form": TokenForm(actor) if may_make_tokens else None,
        "tokens": [_token(row) for row in user.tokens.order_by("-created_at")],
        "new_token": "",
        **more,
    }
    return render(request, "city/account.html", context, status=status)


def _user(request: HttpRequest) -> User:
    user = request.user
    assert isinstance(user, User)
    return user


def _seats(request: HttpRequest, user: User) -> list[dict[str, Any]]:
    """Every seat held today, with names to show and whether it is the one in use (or all are)."""
    held = actor_for(user).seats
    posts = Post.objects.select_related("platform").in_bulk([s.post_id for s in held if s.post_id])
    chosen = request.session.get(SEAT_KEY)
    if chosen not in posts:
        chosen = None
    english = (getattr(request, "LANGUAGE_CODE", "") or "").startswith("en")
    units = tree().by_id
    shown = []
    for seat in held:
        if seat.post_id not in posts:
            continue
        post, role = posts[seat.post_id], roles.role(seat.role)
        unit = units.get(seat.organisation_id) if seat.organisation_id else None
        platform = post.platform
        shown.append(
            {
                "id": post.pk,
                "name": (post.name_en or post.name) if english else post.name,
                "role": str(role.title) if role else seat.role,
                "organisation": str(unit.name) if unit else "",
                "platform": (platform.name_en or platform.name) if english else platform.name,
                "chosen": post.pk == chosen,
            }
        )
    return shown


def _token(row: ApiToken) -> dict[str, Any]:
    titles = roles.permissions()
    now = timezone.now()
    state = "revoked" if row.revoked_at else "expired" if row.expires_at <= now else "valid"
    return {
        "id": row.pk,
        "name": row.name,
        "scopes": [str(titles.get(scope, scope)) for scope in row.scopes],
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "last_used": row.last_used,
        "state": state,
    }


@signed_in
@require_POST
def choose_seat(request: HttpRequest) -> HttpResponse:
    """Act in one seat only, or (empty) in all that are held."""
    wished = request.POST.get("seat", "")
    held = {str(seat.post_id) for seat in actor_for(_user(request)).seats}
    if not wished:
        request.session.pop(SEAT_KEY, None)
        messages.success(request, _("You now act in all your posts."))
    elif wished in held:
        request.session[SEAT_KEY] = int(wished)
        messages.success(request, _("You now act in the chosen post only."))
    else:
        messages.error(request, _("You do not hold this post."))
    return redirect("account")


@signed_in
@sensitive_post_parameters()
@require_POST
def change_password(request: HttpRequest) -> HttpResponse:
    """Set a new password; this session goes on, all others end. Wrong guesses count as failed log-ins."""
    user = _user(request)
    address = login_throttle.address_of(request)
    if login_throttle.wait_seconds(user.username, address):
        messages.error(request, _("Too many failed tries. Wait a quarter of an hour."))
        return redirect("account")
    form = PasswordForm(user, request.POST)
    if not form.is_valid():
        if "old" in form.errors:
            login_throttle.failed(user.username, address)
        return _account(request, status=422, password_form=form)
    user.set_password(form.cleaned_data["new"])
    user.save(update_fields=["password"])
    update_session_auth_hash(request, user)
    login_throttle.succeeded(user.username)
    messages.success(request, _("The password is changed. Other devices must log in again."))
    return redirect("account")


@requires("api.token")
@never_cache
@require_POST
def create_token(request: HttpRequest) -> HttpResponse:
    """Make an API token and show it, this once."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    form = TokenForm(actor, request.POST)
    if not form.is_valid():
        return _account(request, status=422, token_form=form)
    data = form.cleaned_data
    try:
        _row, raw = tokens.issue(_user(request), actor, data["name"], data["scopes"], data["days"])
    except tokens.TokenRefused as refusal:
        form.add_error(None, str(refusal))
        return _account(request, status=422, token_form=form)
    return _account(request, status=201, new_token=raw)


@signed_in
@require_POST
def revoke_token(request: HttpRequest, token_id: int) -> HttpResponse:
    if tokens.revoke(_user(request), token_id):
        messages.success(request, _("The token is revoked and works no more."))
    else:
        messages.error(request, _("There is no such valid token of yours."))
    return redirect("account")
