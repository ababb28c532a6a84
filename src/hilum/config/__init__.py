"""``app.yaml``: what it may say, how it is read, and what is wrong with it in words an operator can act on."""

from __future__ import annotations

from hilum.config.advice import warnings
from hilum.config.changes import Reload, diff, needs_restart
from hilum.config.dicom import AE, AbortedAssociations, Destination, Durability, Scp, Scu, Source
from hilum.config.effective import dump, tree
from hilum.config.engines import Engine, FolderEngine, HttpEngine, ProcessEngine, RayEngine
from hilum.config.loader import load, loads
from hilum.config.notifications import Expected, Mail, Notifications, Webhook
from hilum.config.schema import json_schema
from hilum.config.settings import Ledger, Settings, Storage, Web, Workflow
from hilum.config.template import init_template

__all__ = [
    "AE",
    "AbortedAssociations",
    "Destination",
    "Durability",
    "Engine",
    "Expected",
    "FolderEngine",
    "HttpEngine",
    "Ledger",
    "Mail",
    "Notifications",
    "ProcessEngine",
    "RayEngine",
    "Reload",
    "Scp",
    "Scu",
    "Settings",
    "Source",
    "Storage",
    "Web",
    "Webhook",
    "Workflow",
    "diff",
    "dump",
    "init_template",
    "json_schema",
    "load",
    "loads",
    "needs_restart",
    "tree",
    "warnings",
]
