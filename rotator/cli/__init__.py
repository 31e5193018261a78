"""The command line: each command is thin, and prints for people on a terminal and JSON for programs."""

from __future__ import annotations

import os
import sys
from pathlib import Path  # noqa: TC003  typer reads it
from typing import Annotated, Literal

import typer

from rotator.cli import options
from rotator.cli.options import At, Config, Output, UnansweredError, UnknownError
from rotator.operate.hardening import harden
from rotator.settings.problems import ConfigError

DAY, MONTH = 86400.0, 30 * 86400.0
OK, FAILED, UNUSABLE, INTERRUPTED = 0, 1, 2, 130

HELP = """Keep machine credentials fresh.

rotator reads client credentials from HashiCorp Vault or OpenBao, mints OAuth 2.0 bearer tokens ahead of their expiry, \
and writes them back to Vault or to files for the services that use them.
"""

app = typer.Typer(
    name="rotator",
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="First look: [bold]rotator demo[/bold].  Exit codes: 0 done, 1 some credential failed or is not fresh, "
    "2 usage or configuration, 130 interrupted.",
)


def _version(asked: bool) -> None:
    if asked:
        from rotator.cli import version

        typer.echo("\n".join(version.lines()))
        raise typer.Exit


@app.callback(help=HELP)
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print version, commit, Python and platform, and exit."
        ),
    ] = False,
) -> None:
    """See `HELP`."""


@app.command(epilog="Example: [bold]rotator run -c /etc/rotator/config.toml[/bold]")
def run(config: Config = None) -> None:
    """Run the daemon, in the foreground, until it is told to stop.

    SIGTERM lets what is under way end and exits with 0; a second one ends at once.

    SIGHUP reads the configuration again; one that cannot be used is reported, and the old one stays in force.
    """
    from rotator import process
    from rotator.engine.clock import SystemClock

    process.run(options.find(config, os.environ), dict(os.environ), SystemClock())


@app.command(epilog="Example: [bold]rotator rotate billing --force[/bold]")
def rotate(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Credentials; all when left out.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="All credentials, as when no NAME is given.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Mint also what is not due.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    config: Config = None,
    output: Output = "text",
) -> None:
    """Make one pass now: mint what is due, deliver where something is missing. For cron and CI.

    Exits with 0 when every credential is fresh in the end, also when nothing was due; else with 1.

    Standard output has the result, standard error what went wrong: in cron, `rotator rotate > /dev/null` mails trouble.
    """
    from rotator.cli import foreground

    raise typer.Exit(
        foreground.rotate(
            options.find(config, os.environ), [] if all_ else names or [], output, force=force, dry_run=dry_run
        )
    )


@app.command(epilog="Example: [bold]rotator plan -o json[/bold]")
def plan(config: Config = None, output: Output = "text") -> None:
    """Say what the daemon would do now for each credential, when and why, without doing it."""
    from rotator.cli import foreground

    raise typer.Exit(foreground.rotate(options.find(config, os.environ), [], output, force=False, dry_run=True))


@app.command(epilog="Example: [bold]rotator check --live[/bold]")
def check(
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Also log in to Vault, check what its policies allow, read every source, try every sink, and ask each "
            "provider for one token, which is thrown away.",
        ),
    ] = False,
    config: Config = None,
    output: Output = "text",
) -> None:
    """Check the configuration, and with --live everything around it, without changing anything."""
    from rotator.cli import checking

    raise typer.Exit(checking.check(options.find(config, os.environ), output, live=live))


@app.command(epilog="Example: [bold]rotator login wallet[/bold]   [bold]rotator login tv --device[/bold]")
def login(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A credential whose grant a person has to start.")],
    device: Annotated[
        bool, typer.Option("--device", help="Sign in by a code, on any device (RFC 8628); so with grant = device_code.")
    ] = False,
    refresh_token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep the refresh token in this file, got elsewhere, instead of signing in."),
    ] = None,
    timeout: Annotated[str, typer.Option(metavar="TIME", help="How long to wait for the person.")] = "10m",
    config: Config = None,
    output: Output = "text",
) -> None:
    """Sign in once, so that rotator can keep the token fresh: in a browser, with PKCE, or by a device code.

    The refresh token goes to the path that login.path names in Vault, and nowhere else.
    """
    from rotator.cli import logging_in

    how = logging_in.How(device, refresh_token_file, options.seconds(timeout, "--timeout", 1.0, DAY))
    raise typer.Exit(logging_in.login(options.find(config, os.environ), name, how, output))


@app.command(epilog="Example: [bold]rotator simulate --outage 10m --restart[/bold]")
def simulate(
    outage: Annotated[str, typer.Option(metavar="TIME", help="How long providers are away: 90s, 10m, 2h.")] = "0s",
    vault_outage: Annotated[str, typer.Option(metavar="TIME", help="How long Vault is away.")] = "0s",
    errors: Annotated[
        float,
        typer.Option(min=0.01, max=1.0, help="The share of requests that fail in the outage; 1 lets none through."),
    ] = 1.0,
    step: Annotated[str, typer.Option(metavar="TIME", help="Set the wall clock: 1h, or --step=-1h.")] = "0s",
    suspend: Annotated[str, typer.Option(metavar="TIME", help="Let the machine sleep.")] = "0s",
    restart: Annotated[bool, typer.Option("--restart", help="Kill rotator in the middle, and start it again.")] = False,
    provider: Annotated[
        str | None, typer.Option(metavar="NAME", help="The provider that is away; every one when left out.")
    ] = None,
    lifetime: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="How long tokens live; else assumed_lifetime, else 600s.", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides what chance decides; the same seed, the same answer.")] = 0,
    config: Config = None,
    output: Output = "text",
) -> None:
    """Ask what an outage would do: the configured credentials with the real engine, on a simulated clock.

    Nothing is contacted. Prints token requests, their peak, and for how long any consumer holds an expired token.

    Exits with 1 when some consumer would hold an expired token.
    """
    from rotator.cli import simulating

    question = simulating.Question(
        outage=options.seconds(outage, "--outage"),
        vault_outage=options.seconds(vault_outage, "--vault-outage"),
        errors=errors,
        step=options.seconds(step, "--step", least=-MONTH),
        suspend=options.seconds(suspend, "--suspend"),
        restart=restart,
        provider=provider,
        lifetime=None if lifetime is None else options.seconds(lifetime, "--lifetime", least=10.0),
        seed=seed,
    )
    raise typer.Exit(simulating.answer(options.find(config, os.environ), question, output))


@app.command(epilog="Example: [bold]rotator status --watch[/bold]")
def status(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One credential, in detail.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it again every 2 s, until Ctrl-C.")] = False,
    check_: Annotated[bool, typer.Option("--check", help="Exit with 1 unless everything is fresh.")] = False,
    at: At = None,
    config: Config = None,
    output: Output = "text",
) -> None:
    """Show how the running daemon and its credentials are, the worst first, and what to do about it.

    Exits with 1 when no daemon answers.
    """
    from rotator.cli import watching

    raise typer.Exit(watching.status(options.place(at, config, os.environ), name, output, watch=watch, check=check_))


@app.command(epilog="Example: [bold]rotator explain billing[/bold]   [bold]rotator explain invalid_client[/bold]")
def explain(
    what: Annotated[str, typer.Argument(metavar="NAME|CODE", help="A credential, or the code of an error.")],
    at: At = None,
    config: Config = None,
    output: Output = "text",
) -> None:
    """Show the arithmetic behind a credential's schedule, or what an error code means and what to do about it."""
    from rotator.cli import explaining

    if what in explaining.CODES:
        raise typer.Exit(explaining.code(what, output))
    raise typer.Exit(explaining.credential(options.place(at, config, os.environ), what, output))


@app.command(epilog="Example: [bold]rotator wait billing --timeout 30s && exec my-service[/bold]")
def wait(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Credentials; all when left out.")] = None,
    timeout: Annotated[str, typer.Option(metavar="TIME", help="How long to wait at most.")] = "60s",
    at: At = None,
    config: Config = None,
) -> None:
    """Wait until consumers of these credentials hold good tokens, also for a daemon that is yet to start.

    Exits with 1 when that takes longer than --timeout.
    """
    from rotator.cli import waiting

    raise typer.Exit(
        waiting.wait(options.place(at, config, os.environ), names or [], options.seconds(timeout, "--timeout", 0.1))
    )


@app.command(epilog="Example: [bold]rotator healthcheck --at 127.0.0.1:9464[/bold]")
def healthcheck(
    ready: Annotated[bool, typer.Option("--ready", help="Ask whether it is ready, not only healthy.")] = False,
    at: At = None,
    config: Config = None,
) -> None:
    """Ask the running daemon for its health: for images without curl. Exits with 0 or 1."""
    from rotator.cli import waiting

    raise typer.Exit(waiting.healthcheck(options.place(at, config, os.environ), ready=ready))


@app.command(epilog="Example: [bold]rotator schema > rotator.schema.json[/bold]")
def schema() -> None:
    """Print the JSON schema of the configuration, for editors and validators."""
    import json

    from rotator.settings.model import schema as document

    typer.echo(json.dumps(document(), indent=2))


@app.command(epilog="Example: [bold]rotator presets entra tenant=contoso.onmicrosoft.com[/bold]")
def presets(
    name: Annotated[str | None, typer.Argument(metavar="PRESET", help="One of them; lists all when left out.")] = None,
    variables: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=VALUE", help="What it has to be told, such as tenant=….")
    ] = None,
    output: Output = "text",
) -> None:
    """List the identity providers that rotator knows, or print the table that one of them stands for.

    `preset = "entra"` with its variables in a table [providers.NAME] does the same; keys that stand there outweigh it.
    """
    from rotator.cli import presetting

    raise typer.Exit(presetting.every(output) if name is None else presetting.one(name, variables or [], output))


@app.command(epilog="Example: [bold]rotator demo --lifetime 30s --break provider[/bold]")
def demo(
    lifetime: Annotated[str, typer.Option(help="How long tokens live; short ones show renewal.")] = "60s",
    break_: Annotated[
        Literal["provider", "vault", "clock"] | None,
        typer.Option("--break", help="Let it go wrong: briefly, then for longer than a token lives, by turns."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End as soon as the first tokens are delivered.")] = False,
) -> None:
    """See it work: a real OpenBao server and an authorization server on loopback, the daemon on top.

    Nothing outside a temporary directory is touched, and everything is removed at the end (Ctrl-C).
    """
    from rotator.cli import showing

    raise typer.Exit(showing.show(options.seconds(lifetime, "--lifetime", 10.0, DAY), break_, once=once))


def main() -> None:
    """Enter here."""
    try:
        harden()
    except OSError as error:
        typer.echo(f"rotator does not start where it cannot close its memory to others: {error.strerror}", err=True)
        sys.exit(FAILED)
    try:
        app(standalone_mode=True)
    except ConfigError as error:
        typer.echo(str(error), err=True)
        sys.exit(UNUSABLE)
    except UnansweredError as error:
        typer.echo(str(error), err=True)
        sys.exit(FAILED)
    except UnknownError:
        # The name is not repeated: what was mistaken for one may be a secret.
        typer.echo("the running rotator has no credential of that name; `rotator status` lists those it has", err=True)
        sys.exit(UNUSABLE)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
