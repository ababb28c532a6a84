"""A platform for engines of the type http: runs a command for each job, in folders that it shares with Hilum.

    PLATFORM_TOKEN=secret python serve_jobs.py 9000 python copy_images.py {input} {output}

Its operations are those of docs/platform-api.yaml, each at its address. What it knows is in memory: started anew it has
forgotten its jobs, and Hilum makes the next attempt.
"""
# ruff: noqa: D103

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import Body, Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse

PORT, COMMAND, TOKEN = int(sys.argv[1]), sys.argv[2:], os.environ.get("PLATFORM_TOKEN", "")
jobs: dict[str, "Job"] = {}


class Job:
    """One attempt; its program runs once it is started."""

    def __init__(self, description: dict[str, Any]) -> None:
        self.description, self.folder = description, Path(description["folder"])
        self.log = self.folder / "run" / str(description["attempt"]) / "log.txt"
        self.process: subprocess.Popen[bytes] | None = None
        self.cancelled = False

    def start(self) -> None:
        """Run the program, once."""
        if self.process is None and not self.cancelled:
            places = {"{input}": str(self.folder / "input"), "{output}": str(self.folder / "output")}
            command = [places.get(word, word) for word in COMMAND]
            with self.log.open("wb") as log:
                self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def cancel(self) -> None:
        """End it, or see to it that it never starts."""
        if self.process is None or self.process.poll() is None:
            self.cancelled = True
            if self.process is not None:
                self.process.kill()

    def stage(self) -> str:
        """As the platform API calls it."""
        if self.process is None:
            return "cancelled" if self.cancelled else "created"
        code = self.process.poll()
        return "running" if code is None else "cancelled" if self.cancelled else "failed" if code else "succeeded"


def check_token(request: Request) -> None:
    if TOKEN and request.headers.get("Authorization") != f"Bearer {TOKEN}":
        raise HTTPException(401, "the token is not that of PLATFORM_TOKEN")


app = FastAPI(dependencies=[Depends(check_token)])


@app.exception_handler(HTTPException)
def problem(_request: Request, error: HTTPException) -> JSONResponse:
    more = {"stage": "unknown"} if error.status_code == 404 else {}
    return JSONResponse({"status": error.status_code, "title": "no", "detail": error.detail, **more}, error.status_code)


def find(key: str) -> Job:
    if key not in jobs:
        raise HTTPException(404, "there is no such job")
    return jobs[key]


def shown(key: str) -> dict[str, Any]:
    stage = jobs[key].stage() if key in jobs else "unknown"
    return {"key": key, "stage": stage, "reason": "see its log" if stage == "failed" else ""}


@app.get("/")
def describe() -> dict[str, str]:
    return {"platform-api": "1", "name": "serve_jobs.py"}


@app.put("/jobs/{key}")
def create(key: str, description: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
    if jobs.setdefault(key, Job(description)).description != description:
        raise HTTPException(409, "another job has this key")
    return shown(key)


@app.post("/jobs/{key}/start")
def start(key: str) -> dict[str, Any]:
    find(key).start()
    return shown(key)


@app.post("/jobs/{key}/cancel")
def cancel(key: str) -> dict[str, Any]:
    find(key).cancel()
    return shown(key)


@app.get("/jobs/{key}/log", response_class=PlainTextResponse)
def log(key: str, tail: int) -> str:
    text = find(key).log.read_text(errors="replace") if find(key).process is not None else ""
    return "\n".join(text.splitlines()[-tail:] if tail else [])


@app.post("/status")
def status(keys: Annotated[list[str], Body(embed=True)]) -> dict[str, Any]:
    return {"jobs": [shown(key) for key in keys]}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=PORT)
