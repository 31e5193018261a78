"""Addresses: django-oauth-toolkit's own, and a page to sign in at."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model, login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template import engines
from django.urls import include, path

PAGE = engines["django"].from_string("""<!doctype html><title>Sign in</title><h1>Sign in</h1>
<form method="post">{% csrf_token %}
<label>Name <input name="username" required></label> <button>Sign in</button></form>""")


def sign_in(request: HttpRequest) -> HttpResponse:
    """Who signs in is whoever they say."""
    if request.method != "POST":
        return HttpResponse(PAGE.render({}, request))
    who: Any = get_user_model().objects.get_or_create(username=request.POST["username"])[0]
    login(request, who)
    return HttpResponseRedirect(request.GET["next"])


urlpatterns = [path("sign-in/", sign_in), path("", include("oauth2_provider.urls", namespace="oauth2_provider"))]
