"""Reads `[rule, text]` as JSON lines and answers with what PostHog's own parser makes of each.

It runs in a process of its own: the parser can take minutes, and a text that nests deeply can end the process.
"""

from __future__ import annotations

import json
import sys
import types


def _register_errors() -> None:
    """The module that the parser imports when it is loaded."""
    parent = types.ModuleType("posthog")
    package = types.ModuleType("posthog.hogql")
    module = types.ModuleType("posthog.hogql.errors")
    for name in ("BaseHogQLError", "ExposedHogQLError", "InternalHogQLError", "SyntaxError", "QueryError",
                 "NotImplementedError", "ParsingError", "ImpossibleASTError"):  # fmt: skip
        setattr(module, name, type(name, (Exception,), {}))
    sys.modules.update({"posthog": parent, "posthog.hogql": package, "posthog.hogql.errors": module})


def main() -> None:
    _register_errors()
    import hogql_parser  # only after what it imports is prepared

    rules = {
        "expr": hogql_parser.parse_expr_json,
        "select": hogql_parser.parse_select_json,
        "order": hogql_parser.parse_order_expr_json,
        "template": lambda text: hogql_parser.parse_full_template_string_json("F'" + text),
    }
    for line in sys.stdin:
        rule, text = json.loads(line)
        try:
            answer = rules[rule](text)
        except Exception as error:  # noqa: BLE001 -- whatever it raises is its answer
            answer = json.dumps({"error": True, "type": type(error).__name__, "message": str(error)})
        sys.stdout.write(answer.replace("\n", " ") + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
