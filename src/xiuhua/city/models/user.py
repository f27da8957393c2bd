"""Accounts of people and services. Permissions come from posts (`xiuhua.city.access`), not the account."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models


class UserManager(BaseUserManager["User"]):
    def create_user(self, username: str, password: str | None = None, **fields: Any) -> User:
        """A new account; without a password it cannot log in until one is set."""
        user = self.model(username=self.model.normalize_username(username), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser):
    class Kind(models.TextChoices):
        PERSON = "person"
        SERVICE = "service"

    username = models.CharField(max_length=60, unique=True)
    display_name = models.CharField(max_length=60)
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.PERSON)
    platform = models.ForeignKey("city.Platform", on_delete=models.PROTECT, related_name="users")
    organisation = models.ForeignKey(
        "city.Organisation", null=True, blank=True, on_delete=models.PROTECT, related_name="users"
    )
    language = models.CharField(max_length=8, blank=True, help_text="zh-hans or en; empty = the browser's")
    phone_cipher = models.TextField(blank=True, default="", help_text="sealed by city.crypto")
    phone_lookup = models.CharField(max_length=64, blank=True, default="", help_text="blind index")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(fields=["phone_lookup"], name="city_user_phone", condition=~models.Q(phone_lookup="")),
        ]

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["display_name"]

    def __str__(self) -> str:
        return self.display_name

    def get_full_name(self) -> str:
        return self.display_name
