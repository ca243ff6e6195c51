"""Pictures of fits: of one result (curves, components, profiles, correlations) and of a batch (maps, histograms, single curves).

Every function takes a result and returns axes; results have them as methods. matplotlib is imported when a picture is drawn, and the
style is that of its own settings: colours are of the palette of Okabe and Ito, which the colour-blind tell apart, and greys that show on
light and on dark ground.
"""
from gslfit.report.plots.batches import plot_fits, plot_hist, plot_maps
from gslfit.report.plots.curves import plot, plot_components, plot_fit, plot_residuals
from gslfit.report.plots.resampling import plot_bootstrap, plot_influence
from gslfit.report.plots.shared import plot_shared
from gslfit.report.plots.uncertainty import plot_ci, plot_ci2d, plot_correlation

__all__ = ["plot", "plot_bootstrap", "plot_ci", "plot_ci2d", "plot_components", "plot_correlation", "plot_fit", "plot_fits", "plot_hist",
           "plot_influence", "plot_maps", "plot_residuals", "plot_shared"]
