#include "status.h"

const fit_status_fact gslfit_fit_status_facts[FIT_STATUS_COUNT] = {FIT_STATUSES(FIT_STATUS_FACT)};
