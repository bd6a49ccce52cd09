"""What GitHub's own CI ran for a commit, as its workflows tell it: for a token that may not read checks.

Fine-grained tokens cannot be given that right; they can be given Actions. Other apps' checks stay unseen that way.
"""

from collections.abc import Iterable

from agentos.adapters.github.checks_wire import JobAnswer, JobsPage, RequiredCheck, WorkflowRunAnswer, WorkflowRunsPage
from agentos.adapters.github.client import GitHubClient
from agentos.domain.ci import CiCheck, CiState
from agentos.domain.naming import clean_text

ACTIONS_APP = 15368
"""The id of GitHub's own CI among its apps."""
_ENDS = {
    "success": CiState.PASSED,
    "neutral": CiState.PASSED,
    "skipped": CiState.PASSED,
    "failure": CiState.FAILED,
    "action_required": CiState.HELD,
    "cancelled": CiState.BROKEN,
    "timed_out": CiState.BROKEN,
    "startup_failure": CiState.BROKEN,
    "stale": CiState.BROKEN,
}
"""How a check that ended is taken; what GitHub may add one day is no pass."""
_OPEN = {"in_progress": CiState.RUNNING, "waiting": CiState.HELD}


def state_of(status: str, conclusion: str | None) -> tuple[CiState, str]:
    """How GitHub's two words for a check are taken, and the one of them that tells."""
    if status == "completed":
        return _ENDS.get(conclusion or "", CiState.BROKEN), clean_text(conclusion or "")
    return _OPEN.get(status, CiState.QUEUED), clean_text(status)


async def jobs_of(
    api: GitHubClient, sha: str, required: Iterable[RequiredCheck]
) -> tuple[list[CiCheck], list[CiCheck]]:
    """The jobs of the newest attempt of each workflow run for `sha`; and the runs that have none, not yet or never."""
    required = tuple(required)
    runs = await api.pages_of("/actions/runs", WorkflowRunsPage, lambda page: page.workflow_runs, head_sha=sha)
    jobs: list[CiCheck] = []
    idle: list[CiCheck] = []
    for run in runs:
        path = f"/actions/runs/{run.id}/jobs"
        found = await api.pages_of(path, JobsPage, lambda page: page.jobs, filter="latest")
        jobs += [_of_job(each, run, required) for each in found]
        if not found:
            state, said = state_of(run.status or "queued", run.conclusion)
            name = clean_text(run.name or "a workflow")
            idle += [CiCheck(name, state, f"suite:{run.id}", run.html_url, said)] if state is not CiState.PASSED else []
    return jobs, idle


def _of_job(job: JobAnswer, run: WorkflowRunAnswer, required: Iterable[RequiredCheck]) -> CiCheck:
    state, said = state_of(job.status, job.conclusion)
    return CiCheck(
        name=clean_text(job.name),
        state=state,
        id=f"job:{job.id}",
        url=job.html_url or run.html_url,
        said=said,
        is_required=any(each.context == job.name and each.app in (None, ACTIONS_APP) for each in required),
        rerun=f"run:{run.id}",
    )
