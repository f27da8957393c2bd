"""Forms of log-in and of a person's own account."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext_lazy as _

from xiuhua.city import roles
from xiuhua.city.access import Actor
from xiuhua.city.models import User
from xiuhua.city.tokens import MAX_DAYS


def _input(**attributes: Any) -> dict[str, Any]:
    return {"class": "form-control", **attributes}


class LoginForm(forms.Form):
    username = forms.CharField(
        label=_("User name"),
        max_length=60,
        widget=forms.TextInput(attrs=_input(autocomplete="username", autofocus=True, autocapitalize="off")),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=200,
        strip=False,
        widget=forms.PasswordInput(attrs=_input(autocomplete="current-password")),
    )


class PasswordForm(forms.Form):
    """Change of one's own password; asks for the present one."""

    old = forms.CharField(
        label=_("Present password"),
        max_length=200,
        strip=False,
        widget=forms.PasswordInput(attrs=_input(autocomplete="current-password")),
    )
    new = forms.CharField(
        label=_("New password"),
        max_length=200,
        strip=False,
        help_text=_("At least 10 characters; not a common password and not like your name."),
        widget=forms.PasswordInput(attrs=_input(autocomplete="new-password")),
    )
    again = forms.CharField(
        label=_("New password again"),
        max_length=200,
        strip=False,
        widget=forms.PasswordInput(attrs=_input(autocomplete="new-password")),
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_old(self) -> str:
        old = str(self.cleaned_data["old"])
        if not self.user.check_password(old):
            raise forms.ValidationError(_("The present password is not right."))
        return old

    def clean_new(self) -> str:
        new = str(self.cleaned_data["new"])
        validate_password(new, self.user)
        return new

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("new") and data.get("again") and data["new"] != data["again"]:
            self.add_error("again", _("The two new passwords differ."))
        return data


class TokenForm(forms.Form):
    """A new API token; offers only the scopes that the actor has."""

    name = forms.CharField(
        label=_("Name"),
        max_length=60,
        help_text=_("Which program uses it and who keeps it."),
        widget=forms.TextInput(attrs=_input(autocomplete="off")),
    )
    days = forms.IntegerField(
        label=_("Valid for (days)"),
        min_value=1,
        max_value=MAX_DAYS,
        initial=90,
        widget=forms.NumberInput(attrs=_input()),
    )
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"), widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"})
    )

    def __init__(self, actor: Actor, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["scopes"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(code, str(title)) for code, title in roles.permissions().items() if actor.has(code)]
