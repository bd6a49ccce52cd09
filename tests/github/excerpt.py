"""What of GitHub's published GraphQL schema our operations touch, kept in `schema.graphql` beside this file.

After a change of `agentos/adapters/github/queries.py`, or for a newer schema: `npm pack @octokit/graphql-schema`, unpack it,
and `python -m tests.github.excerpt package/schema.graphql` writes the excerpt anew. Nothing in it is written by hand.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_ast_schema,
    get_named_type,
    is_composite_type,
    parse,
    print_type,
    specified_scalar_types,
    validate,
    visit,
)

from agentos.adapters.github.queries import OPERATIONS

EXCERPT = Path(__file__).with_name("schema.graphql")
OWNERS = ("Organization", "User")
"""Who has projects: the types behind an interface that the fake GitHub answers with."""


@cache
def published() -> GraphQLSchema:
    """The schema of what we ask for, as GitHub publishes it."""
    return build_ast_schema(parse(EXCERPT.read_text("utf-8")))


class _Used(Visitor):
    """Type name -> the fields asked for, with the arguments given to each."""

    def __init__(self, schema: GraphQLSchema, info: TypeInfo) -> None:
        super().__init__()
        self._schema, self._info = schema, info
        self.fields: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.inputs: set[str] = set()

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        parent = self._info.get_parent_type()
        assert parent is not None
        given = {argument.name.value for argument in node.arguments or ()}
        self.fields[parent.name][node.name.value] |= given
        if isinstance(parent, GraphQLInterfaceType):
            for each in self._schema.get_possible_types(parent):
                if each.name in OWNERS or each.name in self.fields:
                    self.fields[each.name][node.name.value] |= given
        named = get_named_type(self._info.get_type())
        if is_composite_type(named):
            self.fields.setdefault(named.name, defaultdict(set))


def excerpt(schema: GraphQLSchema, documents: list[DocumentNode]) -> str:
    """The part of `schema` that `documents` touch, in its own words but for the descriptions."""
    info = TypeInfo(schema)
    used = _Used(schema, info)
    for document in documents:
        assert not validate(schema, document), document
        visit(document, TypeInfoVisitor(info, used))
        visit(document, TypeInfoVisitor(info, used))  # again, with what an interface stands for known
    kept: dict[str, GraphQLNamedType] = {}
    for name, fields in used.fields.items():
        kept[name] = schema.type_map[name]
        for of_field in _trimmed(kept[name], fields):
            _keep(schema, of_field, kept)
    for kind in kept.values():
        _relate(kind, kept)
    return "\n\n".join(print_type(kept[name]) for name in sorted(kept)) + "\n"


def _trimmed(kind: GraphQLNamedType, fields: dict[str, set[str]]) -> Iterator[GraphQLNamedType]:
    """The types its fields lead to. Effect: it has no field and no argument but those."""
    kind.description = None
    if not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
        return
    for name in [*kind.fields]:
        if name not in fields:
            del kind.fields[name]
    for name, field in kind.fields.items():
        field.description = None
        field.args = {key: arg for key, arg in field.args.items() if key in fields[name]}
        for arg in field.args.values():
            arg.description = None
            yield get_named_type(arg.type)
        yield get_named_type(field.type)


def _keep(schema: GraphQLSchema, kind: GraphQLNamedType, kept: dict[str, GraphQLNamedType]) -> None:
    if kind.name in kept or kind.name in specified_scalar_types:
        return
    if isinstance(kind, GraphQLScalarType | GraphQLEnumType | GraphQLInputObjectType):
        kept[kind.name] = kind
        kind.description = None
    if isinstance(kind, GraphQLEnumType):
        for value in kind.values.values():
            value.description = None
    if isinstance(kind, GraphQLInputObjectType):
        for field in kind.fields.values():
            field.description = None
            _keep(schema, get_named_type(field.type), kept)


def _relate(kind: GraphQLNamedType, kept: dict[str, GraphQLNamedType]) -> None:
    """Effect: what it implements or consists of is kept as well, or not named any more."""
    if isinstance(kind, GraphQLUnionType):
        kind.types = tuple(each for each in kind.types if each.name in kept)
    if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
        has = kind.fields.keys()
        kind.interfaces = tuple(each for each in kind.interfaces if each.name in kept and each.fields.keys() <= has)


if __name__ == "__main__":
    whole = build_ast_schema(parse(Path(sys.argv[1]).read_text("utf-8")), assume_valid=True)
    EXCERPT.write_text(excerpt(whole, [parse(each.text) for each in OPERATIONS]), "utf-8")
