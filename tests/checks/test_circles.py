"""No circle of imports, in a wing or between wings: `lint-imports` keeps the wings' order, not that inside of them."""

import grimp

# An explanation that shows itself imports the way it looks when it is asked to.
NAMED = ("lime_callback.explaining.explanation", "lime_callback.pictures.explanation_display")


def test_no_module_imports_itself_through_others():
    graph = grimp.build_graph("lime_callback")
    graph.remove_import(importer=NAMED[0], imported=NAMED[1])
    left = {module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules}
    while leaves := [module for module, imported in left.items() if not imported & left.keys()]:
        for module in leaves:
            del left[module]
    assert not left, f"These modules are in a circle of imports, or import one: {sorted(left)}"
