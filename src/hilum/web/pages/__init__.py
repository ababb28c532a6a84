"""The dashboard, one module for each page: ``router(desk, frame)`` makes its routes. ``web.app`` includes all of them.

How a page is made:

* A module here with ``router(desk, frame)``, named in ``web.app``; if it belongs into the navigation, an entry of
  ``frame.NAV``. ``overview`` is a short one to copy.
* A handler is a plain function, so that it runs in a thread and may ask the ledger. It gathers values with
  ``hilum.ledger.views`` and gives them to ``frame.page(request, "name.html", title, **values)``. No template asks.
* A template of ``web/templates`` extends ``base.html`` and fills ``{% block content %}``. ``parts.html`` has what pages
  are made of: ``live`` (what refreshes by itself; one per page, and its rows have ids so that focus and open details
  stay where they are), ``button`` (asks the API for something; ``ask`` makes it ask first), ``state``, ``empty``.
* Filters: ``when`` (a time that was), ``until`` (one to come), ``size``, ``duration``, ``clock``; words for people come
  from ``hilum.words`` and from what the ledger says, and are written there.
* No inline script and no inline style, neither ``style=`` nor ``onclick=``: the browser refuses them. Scripts are
  modules in ``web/static``; lengths that depend on values are attributes of SVG.
* Personal data (patient IDs, the keys of groups) is put into a page only if ``frame.personal(request)``, and
  ``parts.personal_switch`` lets people ask for it, for that page view alone.
"""
