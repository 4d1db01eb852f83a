"""The menus' addresses, below ``/api/v1/``."""

from apps.core.routing import api_path
from apps.menus.views import claims, items, overlays, trees

urlpatterns = [
    api_path("menu-items", items.ItemListView, "menu-item-list"),
    api_path("menu-items/<int:id>", items.ItemView, "menu-item"),
    api_path("menus/tree", trees.TreeView, "menu-tree"),
    api_path("menus/stream", trees.StreamView, "menu-stream"),
    api_path("menus/<int:id>/explain", trees.ExplainView, "menu-explain"),
    api_path("menus/overlays", overlays.OverlayListView, "menu-overlay-list"),
    api_path("menus/overlays/<str:scope>/<str:scope_id>/<int:item_id>", overlays.OverlayView, "menu-overlay"),
    api_path("menus/drift", overlays.DriftView, "menu-drift"),
    api_path("menus/conflicts", claims.ConflictListView, "menu-conflict-list"),
    api_path("menus/conflicts/<int:id>", claims.ConflictView, "menu-conflict"),
    api_path("menus/handovers", claims.HandoverListView, "menu-handover-list"),
    api_path("menus/handovers/<int:id>", claims.HandoverView, "menu-handover"),
]
