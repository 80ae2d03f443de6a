"""What `dtrain check` looks at: is the job pure, are its weights right, what will it cost?"""
