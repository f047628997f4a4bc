"""A saved wandb workspace that compares a sweep's variants: their runs grouped, scores over generator steps, faces."""

from __future__ import annotations

from facedeblur.errors import UsageError
from facedeblur.extras import need

STEP = "generator_step"
CURVES = {"PSNR in dB": "val/psnr", "SSIM": "val/ssim", "content loss": "train/g_content_image"}


def save_workspace(sweep: str, project: str = "facedeblur", entity: str | None = None) -> str:
    """Saves the workspace of the sweep called `sweep`; returns its address.

    Raises:
        UsageError: wandb-workspaces is missing, wandb is not logged in, or the server refuses.
    """
    need("--wandb", "wandb", "wandb_workspaces")
    import wandb

    try:
        entity = entity or wandb.Api().default_entity
        return workspace(sweep, project, entity).save().url
    except (wandb.errors.UsageError, wandb.errors.CommError, ValueError) as error:
        raise UsageError(
            f"--wandb: {str(error).splitlines()[0]}; `wandb login` once, then `wandb sync` the runs"
        ) from error


def workspace(sweep: str, project: str, entity: str):
    """The workspace, not yet saved: only training runs of the sweep, grouped by variant, best first."""
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws

    curves = [
        wr.LinePlot(title=title, x=STEP, y=[metric], groupby_aggfunc="mean", groupby_rangefunc="minmax")
        for title, metric in CURVES.items()
    ]
    bars = [
        wr.BarPlot(title=f"best {title}", metrics=[wr.SummaryMetric(metric)], groupby_aggfunc="mean")
        for title, metric in list(CURVES.items())[:2]
    ]
    return ws.Workspace(
        entity=entity,
        project=project,
        name=f"{sweep}: variants",
        settings=ws.WorkspaceSettings(x_axis=STEP, max_runs=50),
        runset_settings=ws.RunsetSettings(
            filters=[ws.Metric("Group") == sweep, ws.Metric("JobType") == "train"],
            groupby=[ws.Config("sweep.variant")],
            order=[ws.Ordering(ws.Summary("val/psnr"), ascending=False)],
            pinned_columns=["summary:val/psnr", "summary:val/ssim"],
        ),
        sections=[
            ws.Section(name="Which variant wins", panels=bars, is_open=True),
            ws.Section(name="Curves", panels=curves, is_open=True),
            ws.Section(name="Faces", panels=[wr.MediaBrowser(media_keys=["faces"])], is_open=True),
            ws.Section(name="Configurations", panels=[wr.RunComparer(diff_only=True)], is_open=False),
        ],
    )
