"""What a commit's deployment is called and where its files lie."""

from agentos.domain.naming import safe_name
from agentos.ports.deployer import DeployRequest
from agentos.workflows.kit.context import RunContext


def deploy_request(ctx: RunContext, sha: str) -> DeployRequest:
    """The request for `sha`: one name per issue, one folder of files per commit."""
    name = safe_name(str(ctx.issue))
    return DeployRequest(sha, ctx.home.absolute() / "trees" / name / sha, name)
