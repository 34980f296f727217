#!/usr/bin/env node
'use strict'

require('../main').main(process.argv)
