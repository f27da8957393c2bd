"""Pages of log-in and account; tiles of the base maps."""

from __future__ import annotations

from django.urls import path

from xiuhua.city import views
from xiuhua.city.basemap import views as basemap

urlpatterns = [
    path("login", views.login_view, name="login"),
    path("logout", views.logout_view, name="logout"),
    path("account", views.account, name="account"),
    path("account/seat", views.choose_seat, name="account-seat"),
    path("account/password", views.change_password, name="account-password"),
    path("account/tokens", views.create_token, name="account-tokens"),
    path("account/tokens/<int:token_id>/revoke", views.revoke_token, name="account-token-revoke"),
    path("basemap/<slug:code>/<int:z>/<int:x>/<int:y>", basemap.tile, name="basemap"),
]
