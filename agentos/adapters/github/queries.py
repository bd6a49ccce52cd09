"""Everything we ask GitHub's GraphQL API for; `tests/github/` runs it against the schema that GitHub publishes."""

from agentos.adapters.github.graphql import Operation

_COST = "rateLimit { cost remaining resetAt }"
_PAGE = "pageInfo { hasNextPage endCursor }"
_COMMENT = "id body viewerDidAuthor pullRequestReview { fullDatabaseId }"
_STATUS = 'fieldValueByName(name: "Status") { ... on ProjectV2ItemFieldSingleSelectValue { name } }'

MARK_READY = Operation(
    "MarkReady",
    """mutation MarkReady($input: MarkPullRequestReadyForReviewInput!) {
  markPullRequestReadyForReview(input: $input) { pullRequest { isDraft } }
}""",
)

REVIEW_THREADS = Operation(
    "ReviewThreads",
    f"""query ReviewThreads($owner: String!, $name: String!, $number: Int!, $after: String) {{
  repository(owner: $owner, name: $name) {{
    pullRequest(number: $number) {{
      reviewThreads(first: 50, after: $after) {{
        nodes {{ id isResolved path line originalLine comments(first: 100) {{ nodes {{ {_COMMENT} }} {_PAGE} }} }}
        {_PAGE}
      }}
    }}
  }}
  {_COST}
}}""",
)
THREAD_COMMENTS = Operation(
    "ThreadComments",
    f"""query ThreadComments($id: ID!, $after: String!) {{
  node(id: $id) {{
    id
    ... on PullRequestReviewThread {{ comments(first: 100, after: $after) {{ nodes {{ {_COMMENT} }} {_PAGE} }} }}
  }}
  {_COST}
}}""",
)
REPLY_TO_THREAD = Operation(
    "ReplyToThread",
    """mutation ReplyToThread($input: AddPullRequestReviewThreadReplyInput!) {
  addPullRequestReviewThreadReply(input: $input) { comment { id } }
}""",
)
RESOLVE_THREAD = Operation(
    "ResolveThread",
    """mutation ResolveThread($input: ResolveReviewThreadInput!) {
  resolveReviewThread(input: $input) { thread { isResolved } }
}""",
)

PROJECT = Operation(
    "Project",
    f"""query Project($owner: String!, $number: Int!) {{
  repositoryOwner(login: $owner) {{
    login
    ... on ProjectV2Owner {{
      projectV2(number: $number) {{
        id title url closed viewerCanUpdate
        field(name: "Status") {{ ... on ProjectV2SingleSelectField {{ id options {{ id name }} }} }}
      }}
    }}
  }}
  {_COST}
}}""",
)
ITEMS_OF_ISSUE = Operation(
    "ItemsOfIssue",
    f"""query ItemsOfIssue($owner: String!, $name: String!, $number: Int!, $after: String) {{
  repository(owner: $owner, name: $name) {{
    issue(number: $number) {{
      projectItems(first: 50, after: $after, includeArchived: false) {{
        nodes {{ id project {{ id }} {_STATUS} }}
        {_PAGE}
      }}
    }}
  }}
  {_COST}
}}""",
)
ITEMS_OF_PROJECT = Operation(
    "ItemsOfProject",
    f"""query ItemsOfProject($project: ID!, $after: String) {{
  node(id: $project) {{
    id
    ... on ProjectV2 {{
      items(first: 100, after: $after) {{
        nodes {{
          isArchived
          {_STATUS}
          content {{
            ... on Issue {{ number state repository {{ nameWithOwner }} labels(first: 100) {{ nodes {{ name }} }} }}
          }}
        }}
        {_PAGE}
      }}
    }}
  }}
  {_COST}
}}""",
)
MOVE_ITEM = Operation(
    "MoveItem",
    """mutation MoveItem($input: UpdateProjectV2ItemFieldValueInput!) {
  updateProjectV2ItemFieldValue(input: $input) { projectV2Item { id } }
}""",
)

OPERATIONS = (
    MARK_READY,
    REVIEW_THREADS,
    THREAD_COMMENTS,
    REPLY_TO_THREAD,
    RESOLVE_THREAD,
    PROJECT,
    ITEMS_OF_ISSUE,
    ITEMS_OF_PROJECT,
    MOVE_ITEM,
)
