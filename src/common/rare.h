/* What few fits need is made small, not fast, and so is all that nothing else calls. */
#ifndef GSLFIT_RARE_H
#define GSLFIT_RARE_H

#define GSLFIT_RARE __attribute__((cold))

#endif
