/* What a weighted residual r costs. A fit minimises the sum of the costs of its points; least squares is the only loss.
 *
 * Near a point the sum changes with the parameters as (slope J) dx + dx (curvature J J) dx / 2, twice that, J the derivatives of r: so a
 * solver needs three numbers of each point. They are macros, for doubles and for vectors of them alike.
 */
#ifndef GSLFIT_LOSS_H
#define GSLFIT_LOSS_H

#define GSLFIT_COST(r) ((r) * (r))
#define GSLFIT_SLOPE(r) (r)            /* half of the cost's first derivative */
#define GSLFIT_CURVATURE(r) 1.0        /* half of its second */

#endif
